// Sends a page's events and asks for recommendations: docs/clients.md. An event stays in
// localStorage until the API has it. A tab claims what it sends.

const KEEPALIVE_BYTES = 60_000; // browsers allow 64 KB
const CLAIM_MS = 35_000; // longer than a request
const SETTLE_MS = 50; // until tabs see it
const MAX_BACKOFF_SECONDS = 300;

const uuid = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`; // no https
const tell = (callback, ...values) => queueMicrotask(() => callback?.(...values));
const total = (entries) => new TextEncoder().encode(entries.map(({ text }) => text).join()).length;

export function createClient({
	url, key: apiKey, name = "personalize", consent: rule, sessionMinutes = 30,
	batchEvents = 25, batchBytes = 30_000, batchSeconds = 2, storedEvents = 1000, storedBytes = 1_000_000,
	onSent, onRefused, onDropped, onRetry,
}) {
	const client = { track, identify, recommend, flush, consent, forget, dropped: 0 };
	const [EVENT, SESSION, USER] = [`${name}.event.`, `${name}.session`, `${name}.user`];
	let storage = {}; // localStorage after consent
	let agreed; // false: refused
	let [tracked, keptAlive, failures, waitUntil] = [1e6, 0, 0, 0];
	let timer, sending;

	const keys = (start) => Object.keys(storage).filter((key) => key.startsWith(start)).sort();
	const remove = (key) => delete storage[key];
	function drop(key) {
		remove(key);
		tell(onDropped, ++client.dropped);
	}
	function get(key) {
		try {
			return JSON.parse(storage[key] ?? null);
		} catch {} // not ours
	}
	function set(key, value) {
		const text = JSON.stringify(value);
		try {
			storage[key] = text;
		} catch {
			const [oldest] = keys(EVENT);
			if (!oldest) storage = { ...storage, [key]: text }; // full: in memory
			else if (oldest !== key) set(key, value, drop(oldest));
		}
	}
	const free = () =>
		keys(EVENT)
			.map((key) => ({ key, text: storage[key], ...get(key) }))
			.filter(({ event, claimed = 0 }) => event && Math.abs(Date.now() - claimed) > CLAIM_MS);
	const change = ({ key, event }, to) => get(key) && set(key, { event, ...to }); // else forgotten
	const maySend = () => agreed && performance.now() >= waitUntil;
	const schedule = () => (timer ??= setTimeout(() => flush((timer = null)), batchSeconds * 1_000));

	function session() {
		let { id, seen } = get(SESSION) ?? {};
		if (!(Math.abs(Date.now() - seen) < sessionMinutes * 60_000)) id = uuid();
		set(SESSION, { id, seen: Date.now() });
		return id;
	}

	function identify(userId = null) {
		if (get(USER) && get(USER) !== userId) remove(SESSION); // another person
		set(USER, userId);
	}

	function track(event) {
		const SentAt = new Date().toISOString();
		const whole = { EventId: uuid(), SentAt, SessionId: session(), UserId: get(USER), ...event };
		if (agreed === false) return whole;
		set(`${EVENT}${SentAt}.${tracked++}.${whole.EventId}`, { event: whole });
		const waiting = free();
		while (waiting.length > storedEvents || total(waiting) > storedBytes) drop(waiting.shift().key);
		if (waiting.length < batchEvents && total(waiting) < batchBytes) schedule();
		else flush();
		return whole;
	}

	function flush() {
		return (sending ??= sendAll().finally(() => (sending = null)));
	}

	async function sendAll() {
		let batch;
		while (maySend() && (batch = await claimAlone()).length) await send(batch);
		if (agreed && keys(EVENT).length) schedule();
	}

	// Without locks, by chance.
	function claimAlone() {
		const pause = (resolve) => setTimeout(resolve, SETTLE_MS * (1 + Math.random()));
		const work = () => new Promise(pause).then(() => claim(batchBytes, 1));
		return navigator.locks?.request(name, work).catch(work) ?? work();
	}

	function claim(maxBytes, atLeast) {
		const batch = [];
		for (const entry of agreed ? free() : []) {
			const full = batch.length === batchEvents || total([...batch, entry]) > maxBytes;
			if (full && batch.length >= atLeast) break;
			batch.push(entry);
			change(entry, { claimed: Date.now() });
		}
		return batch;
	}

	// Requests under way go on.
	function leave() {
		let batch;
		while (maySend() && (batch = claim(KEEPALIVE_BYTES - keptAlive, 0)).length) send(batch);
	}

	async function send(batch) {
		const bytes = total(batch);
		const kept = keptAlive + bytes > KEEPALIVE_BYTES ? 0 : bytes;
		keptAlive += kept;
		const response = await post("events", { Events: batch.map(({ event }) => event) }, kept);
		keptAlive -= kept;
		const { status, Results } = response;
		const whole = status === 413 || (status === 400 && !Results);
		if (whole && batch.length > 1) {
			const rest = batch.splice(batch.length / 2);
			await send(batch);
			return send(rest);
		}
		const [sent, failed] = [[], []];
		batch.forEach((entry, index) => {
			const result = whole ? response : Results?.[index];
			if (whole || result?.Code === "BadRequestError") refuse(entry, result);
			else (result?.EventId ? sent : failed).push(entry);
		});
		sent.forEach(({ key }) => remove(key));
		failed.forEach((entry) => change(entry));
		if (sent.length) tell(onSent, sent.map(({ event }) => event));
		if (!failed.length) return (failures = 0);
		const growing = Math.min(2 ** failures++, MAX_BACKOFF_SECONDS) * (0.5 + Math.random() / 2);
		const seconds = Math.max(growing, response.retryAfter || 0);
		waitUntil = performance.now() + seconds * 1_000;
		tell(onRetry, response, seconds);
	}

	function refuse({ key, event }, { Code, Message }) {
		if (!event.SentAt || !/^SentAt/.test(Message)) {
			remove(key);
			return tell(onRefused, event, { Code, Message });
		}
		// The message has the right time.
		const there = Date.parse(/ahead of (\S+),/.exec(Message)?.[1]);
		const SentAt = new Date(Math.min(there, there - Date.now() + Date.parse(event.SentAt)));
		change({ key }, { event: { ...event, SentAt } });
	}

	// Status 0: no response.
	async function post(route, body, keepalive, ms = 30_000) {
		try {
			const response = await fetch(`${url}/${route}`, {
				method: "POST",
				headers: { "x-api-key": apiKey, "content-type": "application/json" },
				body: JSON.stringify(body),
				signal: AbortSignal.timeout(ms),
				keepalive,
			});
			const retryAfter = Number(response.headers.get("retry-after"));
			const content = await response.json().catch(() => ({ Code: "NoJson" }));
			return { status: response.status, retryAfter, ...content };
		} catch (error) {
			return { status: 0, Code: error.name, Message: error.message };
		}
	}

	async function recommend(request, { timeoutMs = 3_000 } = {}) {
		const { status, retryAfter, ...content } = await post("recommendations", fill(request), false, timeoutMs);
		if (status === 200 && !content.Code) return content;
		throw Object.assign(new Error(content.Message), { status, retryAfter, ...content });
	}

	function fill(request) {
		const { requests, userId, sessionId, itemId } = request;
		if (requests) return { ...request, requests: requests.map(fill) };
		if (userId ?? sessionId ?? itemId) return request;
		const user = agreed && get(USER);
		return { ...request, ...(user ? { userId: user } : { sessionId: session() }) };
	}

	function open(given) {
		agreed = given;
		try {
			storage = given ? localStorage : {};
		} catch {
			storage = {}; // forbidden
		}
	}

	function consent(given) {
		if (given && agreed) return;
		const { [USER]: user, [SESSION]: visit, ...early } = given ? storage : {};
		const { id } = JSON.parse(visit ?? "{}");
		if (!given) forget();
		open(given);
		if (user) identify(JSON.parse(user)); // a stored session goes on
		for (const key in early) set(key, JSON.parse(early[key].replaceAll(id ?? key, session())));
		flush();
	}

	function forget() {
		const before = rule === "required" ? undefined : agreed;
		open(true);
		keys(`${name}.`).forEach(remove);
		open(before);
	}

	addEventListener("pagehide", leave);
	document.addEventListener("visibilitychange", () => (document.hidden ? leave() : flush()));
	addEventListener("online", () => flush((waitUntil = 0)));
	if (rule !== "required") consent(true);
	return client;
}
