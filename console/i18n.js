// The sentences of the page in English and Spanish. A sentence names its values in braces.
// The API's own messages are in English in both.

import { say, tabStorage } from "./api.js";

const LANGUAGE = "console.language"; // in sessionStorage
const TEXTS = {
  // the frame
  product: ["personalize-api console", "Consola de personalize-api"],
  skip: ["Skip to the content", "Ir al contenido"],
  views: ["Views", "Vistas"],
  shop: ["Shop", "Tienda"],
  pipeline: ["Pipeline", "Recorrido"],
  debugger: ["Event debugger", "Depurador"],
  faults: ["Faults", "Fallos"],
  language: ["Language", "Idioma"],
  stage: ["Stage {stage}", "Entorno {stage}"],
  loading: ["Loading …", "Cargando …"],
  noConsole: ["The console's server does not respond. Start it again with 'make run' or 'make console', then reload this page.",
    "El servidor de la consola no responde. Inícielo de nuevo con 'make run' o 'make console' y recargue esta página."],

  // connection
  connection: ["Connection", "Conexión"],
  address: ["Address of the API", "Dirección de la API"],
  key: ["API key", "Clave de la API"],
  keyHint: ["It stays in this tab and goes nowhere but to the API.", "Se queda en esta pestaña y solo se envía a la API."],
  useKey: ["Use this key", "Usar esta clave"],
  localKey: ["Use the local stack's own key", "Usar la clave del entorno local"],
  needKey: ["Type an API key of the stage {stage} to begin.", "Escriba una clave de la API del entorno {stage} para empezar."],

  // counters
  counters: ["Events of this tab", "Eventos de esta pestaña"],
  sent: ["Sent", "Enviados"],
  accepted: ["Accepted", "Aceptados"],
  trained: ["Trained on", "Aprendidos"],
  quarantined: ["Quarantined", "En cuarentena"],
  refused: ["Refused", "Rechazados"],
  dropped: ["Dropped", "Descartados"],
  meets: ["The counters meet: nothing is on its way.", "Los contadores coinciden: nada en camino."],
  onTheWay: ["{waiting} waiting in the browser, {delivering} in the pipeline.", "{waiting} esperan en el navegador, {delivering} en el recorrido."],
  nextTry: ["Next try in {seconds} s.", "Próximo intento en {seconds} s."],
  noEvents: ["No events yet: view, like or buy something in the shop.", "Aún no hay eventos: vea, valore o compre algo en la tienda."],
  unseen: ["A browser cannot see training in a deployed stage.", "En un entorno desplegado el navegador no puede ver el aprendizaje."],
  offlineNow: ["This browser is offline (simulated). Events wait in its storage.", "Este navegador está sin conexión (simulado). Los eventos esperan en su almacenamiento."],
  faultsNow: ["Faults are switched on: {faults}.", "Hay fallos activados: {faults}."],

  // shop
  shopLead: ["Act as a visitor of a shop and see the shelf change with every click.", "Actúe como visitante de una tienda y vea cómo el estante cambia con cada clic."],
  visitor: ["Visitor", "Visitante"],
  anonymous: ["Anonymous visitor", "Visitante anónimo"],
  typeUser: ["or type a user", "o escriba un usuario"],
  signIn: ["Sign in", "Iniciar sesión"],
  isAnonymous: ["An anonymous visitor, known by the session. Sign in midway and the session's events count for the user.",
    "Un visitante anónimo, conocido por su sesión. Si inicia sesión, los eventos de la sesión cuentan para el usuario."],
  isUser: ["Signed in as {user}.", "Con sesión iniciada como {user}."],
  choose: ["Filters, promotions and campaign", "Filtros, promociones y campaña"],
  campaign: ["Campaign", "Campaña"],
  byDefault: ["default", "predeterminada"],
  filter: ["Filter", "Filtro"],
  promotion: ["Promotion", "Promoción"],
  none: ["none", "ninguno"],
  promoted: ["Share of promoted items, %", "Proporción de promocionados, %"],
  several: ["Several values: separate them with commas.", "Varios valores: sepárelos con comas."],
  numResults: ["Number of items", "Número de artículos"],
  metadata: ["Metadata columns", "Columnas de metadatos"],
  metadataHint: ["Such as TITLE, GENRES, for a campaign with metadata enabled.", "Por ejemplo TITLE, GENRES, si la campaña tiene metadatos."],
  filterValues: ["Filter values (JSON)", "Valores del filtro (JSON)"],
  shelf: ["Recommended for {user}", "Recomendado para {user}"],
  thisVisitor: ["this visitor", "este visitante"],
  source: ["Source", "Origen"],
  variant: ["Variant", "Variante"],
  noVariant: ["no experiment", "sin experimento"],
  took: ["Took", "Tardó"],
  source_personalize: ["Personalize", "Personalize"],
  source_stale: ["an earlier response", "una respuesta anterior"],
  source_fallback: ["the fallback", "el sustituto"],
  view: ["View", "Ver"],
  like: ["Like", "Me gusta"],
  buy: ["Buy", "Comprar"],
  similar: ["Similar", "Similares"],
  actOn: ["{action}: {title}", "{action}: {title}"],
  isNew: ["New", "Nuevo"],
  movedUp: ["Up {places}", "Sube {places}"],
  reason: ["Why: {reason}", "Motivo: {reason}"],
  isPromoted: ["Promotion {name}", "Promoción {name}"],
  left: ["Left the shelf: {titles}", "Han salido del estante: {titles}"],
  sentEvent: ["{action} of {title} sent.", "{action} de {title}: enviado."],
  listChanged: ["The shelf changed: {fresh} new, {up} moved up, {gone} left.", "El estante ha cambiado: {fresh} nuevos, {up} suben, {gone} salen."],
  listShown: ["{count} items on the shelf.", "{count} artículos en el estante."],
  empty: ["No item fits. Choose another filter or other values.", "Ningún artículo encaja. Elija otro filtro u otros valores."],
  similarTo: ["Similar to {title}", "Similares a {title}"],
  close: ["Close", "Cerrar"],
  refresh: ["Ask again", "Pedir de nuevo"],

  // errors
  wrongKey: ["The API refused the key.", "La API ha rechazado la clave."],
  wrongKeyDo: ["Open Connection above and type an API key of this stage.", "Abra Conexión, arriba, y escriba una clave de la API de este entorno."],
  unreachable: ["The API does not respond.", "La API no responde."],
  unreachableDo: ["Is 'make run' still running? Events are kept in this browser until the API is back.", "¿Sigue en marcha 'make run'? Los eventos se guardan en este navegador hasta que la API vuelva."],
  unreachableDeployed: ["Check the network, and that ALLOWED_ORIGIN of the stage names this page. Events are kept in this browser.",
    "Compruebe la red y que ALLOWED_ORIGIN del entorno incluya esta página. Los eventos se guardan en este navegador."],
  offlineDo: ["Switch it off under Faults. Events are kept in this browser until then.", "Desactívelo en Fallos. Los eventos se guardan en este navegador hasta entonces."],
  throttled: ["Too many requests: the API or Personalize throttles.", "Demasiadas peticiones: la API o Personalize las limita."],
  failed: ["The API responded with {status}.", "La API ha respondido con {status}."],
  again: ["Next try in {seconds} s", "Próximo intento en {seconds} s"],
  tryNow: ["Try now", "Intentar ahora"],
  kept: ["What you see below is the list before.", "Lo que ve abajo es la lista anterior."],

  // request panel
  request: ["Request", "Petición"],
  requestLead: ["The last requests of this page to the API, and the same calls to copy.", "Las últimas peticiones de esta página a la API, y las mismas llamadas para copiar."],
  noRequest: ["No request yet.", "Aún no hay peticiones."],
  which: ["Request to show", "Petición que mostrar"],
  form: ["Form", "Forma"],
  sentTo: ["Request", "Petición"],
  response: ["Response", "Respuesta"],
  pending: ["waiting …", "esperando …"],
  noResponse: ["no response", "sin respuesta"],
  showKey: ["Show the key", "Mostrar la clave"],
  copy: ["Copy", "Copiar"],
  copied: ["Copied.", "Copiado."],
  notCopied: ["Select the text and copy it.", "Seleccione el texto y cópielo."],

  // pipeline
  pipelineLead: ["The path of each event, read from the parts of the local stack once a second.", "El recorrido de cada evento, leído de las partes del entorno local una vez por segundo."],
  pathPicture: ["From the API through the stream and delivery to Personalize, and from the stream to the archive", "De la API por el flujo y la entrega a Personalize, y del flujo al archivo"],
  part_api: ["API", "API"],
  part_stream: ["Stream", "Flujo"],
  part_delivery: ["Delivery", "Entrega"],
  part_personalize: ["Personalize", "Personalize"],
  part_archive: ["Archive", "Archivo"],
  part_quarantine: ["Quarantine", "Cuarentena"],
  do_api: ["accepted", "aceptados"],
  do_stream: ["kept in order", "guardados en orden"],
  do_delivery: ["on their way", "en camino"],
  do_personalize: ["trained on", "aprendidos"],
  do_archive: ["stored in S3", "en S3"],
  do_quarantine: ["put aside", "apartados"],
  partsAway: ["Does not respond: {parts}. The last state is shown.", "No responde: {parts}. Se muestra el último estado."],
  pipelineAway: ["The console's server does not respond. The last state is shown.", "El servidor de la consola no responde. Se muestra el último estado."],
  events: ["Events", "Eventos"],
  event: ["Event", "Evento"],
  time: ["Accepted at", "Aceptado a las"],
  state: ["State", "Estado"],
  state_pending: ["on its way", "en camino"],
  state_trained: ["trained on", "aprendido"],
  state_quarantined: ["quarantined", "en cuarentena"],
  afterwards: ["+{ms} ms", "+{ms} ms"],
  newest: ["The newest {count} events.", "Los {count} eventos más recientes."],
  noneYet: ["No event has passed yet. Click something in the shop.", "Aún no ha pasado ningún evento. Haga clic en algo en la tienda."],
  quarantine: ["Quarantined events", "Eventos en cuarentena"],
  noQuarantine: ["None. Put a bad record into the stream under Faults to see one.", "Ninguno. Ponga un registro malo en el flujo, en Fallos, para ver uno."],
  why: ["Reason", "Motivo"],
  quarantinedAt: ["Put aside at", "Apartado a las"],
  earlier: ["before this run", "antes de esta ejecución"],
  unreadable: ["Unreadable record", "Registro ilegible"],
  record: ["Record", "Registro"],
  otherProducer: ["of another producer", "de otro productor"],
  log: ["Log of the functions", "Registro de las funciones"],
  hiddenTitle: ["What a browser cannot see", "Lo que un navegador no puede ver"],
  hidden1: ["A deployed stage tells a browser only that an event was accepted (202). Stream, delivery, Personalize and archive are behind AWS credentials.",
    "Un entorno desplegado solo le dice a un navegador que un evento fue aceptado (202). El flujo, la entrega, Personalize y el archivo están detrás de credenciales de AWS."],
  hidden2: ["An operator sees them on the CloudWatch dashboard of the stage (DashboardUrl), and what became of one event with its id:",
    "Un operador los ve en el panel de CloudWatch del entorno (DashboardUrl), y qué fue de un evento con su identificador:"],
  hidden3: ["What went to the quarantine is kept, and goes back with:", "Lo que fue a la cuarentena se conserva, y vuelve con:"],

  // debugger
  debuggerLead: ["Paste an event, a batch or the body of PutEvents. It is judged as a real one and stored nowhere.", "Pegue un evento, un lote o el cuerpo de PutEvents. Se juzga como uno real y no se guarda."],
  examples: ["Examples", "Ejemplos"],
  ex_valid: ["A valid event", "Un evento válido"],
  ex_misspelt: ["A misspelt field", "Un campo mal escrito"],
  ex_time: ["A wrong time", "Una hora incorrecta"],
  ex_batch: ["A batch", "Un lote"],
  ex_putEvents: ["Body of PutEvents", "Cuerpo de PutEvents"],
  body: ["Body", "Cuerpo"],
  judge: ["Judge it", "Juzgar"],
  judging: ["Judging …", "Juzgando …"],
  verdict: ["{valid} valid, {invalid} invalid", "{valid} válidos, {invalid} no válidos"],
  valid: ["Valid", "Válido"],
  invalid: ["Invalid", "No válido"],
  eventNumber: ["Event {number}", "Evento {number}"],
  fieldName: ["Field", "Campo"],
  whole: ["the whole body", "todo el cuerpo"],
  remedy: ["What to do", "Qué hacer"],
  delivers: ["What Personalize would get", "Lo que recibiría Personalize"],

  // faults
  faultsLead: ["Rehearse what production will do. The counters above meet again when a fault is over.", "Ensaye lo que pasará en producción. Los contadores vuelven a coincidir cuando el fallo termina."],
  faultsDeployed: ["Faults are for the local stack only. Try 'make run'.", "Los fallos son solo para el entorno local. Pruebe 'make run'."],
  target: ["Faults reach", "Los fallos afectan a"],
  target_all: ["every call of Personalize", "todas las llamadas"],
  target_events: ["the delivery of events only", "solo la entrega de eventos"],
  target_campaign: ["only the campaign {name}", "solo la campaña {name}"],
  fault_throttleRate: ["Throttling", "Limitación"],
  fault_errorRate: ["Outage (503)", "Caída (503)"],
  fault_latencyMs: ["Latency", "Latencia"],
  fault_accessDenied: ["Access denied", "Acceso denegado"],
  fault_campaignMissing: ["Missing campaign", "Campaña inexistente"],
  fault_offline: ["Offline browser", "Navegador sin conexión"],
  about_throttleRate: ["Personalize says ThrottlingException.", "Personalize responde ThrottlingException."],
  about_errorRate: ["Personalize itself fails.", "Personalize falla."],
  about_latencyMs: ["Every response comes later.", "Todas las respuestas llegan más tarde."],
  about_accessDenied: ["The function may not call Personalize.", "La función no puede llamar a Personalize."],
  about_campaignMissing: ["The campaign was deleted. Events still go through.", "La campaña fue borrada. Los eventos siguen pasando."],
  about_offline: ["This page's calls of the API fail. Events wait in the browser's storage.", "Las llamadas de esta página a la API fallan. Los eventos esperan en el navegador."],
  about_bad: ["Puts a record of another producer without EventType into the stream. It goes to the quarantine.", "Pone en el flujo un registro de otro productor sin EventType. Va a la cuarentena."],
  share: ["Share of calls, %", "Proporción de llamadas, %"],
  milliseconds: ["Milliseconds", "Milisegundos"],
  bad: ["Bad input", "Entrada mala"],
  putBad: ["Put a bad record into the stream", "Poner un registro malo en el flujo"],
  badPut: ["The record is in the stream. See the quarantine under Pipeline.", "El registro está en el flujo. Vea la cuarentena en Recorrido."],
  allOff: ["Switch all faults off", "Desactivar todos los fallos"],
  allAreOff: ["No fault is switched on.", "No hay ningún fallo activado."],
  burst: ["Send 20 views", "Enviar 20 visitas"],
  inForce: ["In force: {faults}.", "Activos: {faults}."],
};

let language = tabStorage(LANGUAGE) ?? (navigator.language.startsWith("es") ? "es" : "en");

export const currentLanguage = () => language;

export function setLanguage(chosen) {
  language = chosen;
  tabStorage(LANGUAGE, chosen);
  say("language", chosen);
}

// t("again", { seconds: 3 })
export function t(name, values = {}) {
  const [english, spanish] = TEXTS[name] ?? [name, name];
  return (language === "es" ? spanish : english).replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const has = (name) => name in TEXTS;

export const number = (value) => value.toLocaleString(language);

// Fills the elements that name their text: <h1 data-text="product">.
export function translate(root = document) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
}
