// Calls of any operations of personalize-runtime and personalize-events with the AWS SDK for JavaScript.
// Usage: node operations.mjs ENDPOINT 'JSON of [[service, operation, input], ...]'. Prints what each call gave.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_FOLDER}/`);
const [endpoint, calls] = process.argv.slice(2);
const options = {
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "nobody", secretAccessKey: "nothing" },
  maxAttempts: 1,
};
const services = {
  "personalize-runtime": require("@aws-sdk/client-personalize-runtime"),
  "personalize-events": require("@aws-sdk/client-personalize-events"),
};
const clients = {
  "personalize-runtime": new services["personalize-runtime"].PersonalizeRuntimeClient(options),
  "personalize-events": new services["personalize-events"].PersonalizeEventsClient(options),
};

async function made(service, operation, input) {
  for (const event of input.eventList ?? []) event.sentAt = new Date(event.sentAt * 1000);
  for (const each of input.actionInteractions ?? []) each.timestamp = new Date(each.timestamp * 1000);
  try {
    const { $metadata, ...output } = await clients[service].send(new services[service][`${operation}Command`](input));
    return { status: $metadata.httpStatusCode, output };
  } catch (error) {
    const known = services[service][error.name];
    return {
      status: error.$metadata?.httpStatusCode,
      error: error.name,
      message: error.message,
      isKnown: known !== undefined && error instanceof known,
    };
  }
}

const results = [];
for (const call of JSON.parse(calls)) results.push(await made(...call));
console.log(JSON.stringify(results));
