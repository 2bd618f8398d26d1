// A client that used to call Personalize: the AWS SDK for JavaScript with another address and one more header.
// Usage: node put_events.mjs API_URL API_KEY 'JSON of the input'. Prints what the call gave.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_FOLDER}/`);
const { PersonalizeEventsClient, PutEventsCommand } = require("@aws-sdk/client-personalize-events");

const [endpoint, key, input] = process.argv.slice(2);
const client = new PersonalizeEventsClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});
client.middlewareStack.add(
  (next) => (call) => {
    call.request.headers["x-api-key"] = key;
    return next(call);
  },
  { step: "build" },
);
const call = JSON.parse(input);
for (const event of call.eventList) event.sentAt = new Date(event.sentAt);
try {
  const { $metadata } = await client.send(new PutEventsCommand(call));
  console.log(JSON.stringify({ status: $metadata.httpStatusCode }));
} catch (error) {
  console.log(JSON.stringify({ status: error.$metadata?.httpStatusCode, name: error.name, message: error.message }));
}
