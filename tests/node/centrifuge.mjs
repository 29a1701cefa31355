// The npm package centrifuge as a client, driven by lines of JSON: commands on stdin, events on
// stdout.
//
//   node centrifuge.mjs ws://HOST:PORT/connection/websocket
//
// Commands: {"connect": {...}} with options of the client, {"subscribe": CHANNEL, "options": {...}},
// {"unsubscribe": CHANNEL}, {"disconnect": true}, {"token": TEXT} for who asked for one, and
// {"call": METHOD, "arguments": [...], "id": N}, whose event is {"event": "result", "id", "value" or
// "error"}. `refreshes` among options: tokens are asked for by {"event": "token", "channel"}.

import { createInterface } from "node:readline";
import { Centrifuge } from "centrifuge";
import WebSocket from "ws";

const [url] = process.argv.slice(2);
const tell = (event, about = {}) => process.stdout.write(JSON.stringify({ event, ...about }) + "\n");
const waiting = [];
const ask = (channel) => new Promise((resolve) => { waiting.push(resolve); tell("token", { channel }); });
const fast = { minReconnectDelay: 20, maxReconnectDelay: 200, timeout: 5000 };

let client;

function connect({ refreshes, ...options }) {
  const getToken = refreshes ? () => ask("") : null;
  client = new Centrifuge(url, { ...fast, ...options, getToken, websocket: WebSocket });
  client.on("connected", ({ client, data }) => tell("connected", { client, data }));
  client.on("connecting", ({ code, reason }) => tell("connecting", { code, reason }));
  client.on("disconnected", ({ code, reason }) => tell("disconnected", { code, reason }));
  client.on("error", ({ type, error }) => tell("error", { type, code: error.code }));
  client.on("publication", ({ channel, data }) => tell("server_publication", { channel, data }));
  client.connect();
}

function subscribe(channel, { refreshes, ...options }) {
  const getToken = refreshes ? () => ask(channel) : null;
  const delays = { minResubscribeDelay: 20, maxResubscribeDelay: 200 };
  const subscription = client.newSubscription(channel, { ...delays, ...options, getToken });
  subscription.on("subscribed", ({ wasRecovering, recovered, streamPosition }) =>
    tell("subscribed", { channel, was_recovering: wasRecovering, recovered, position: streamPosition }));
  subscription.on("subscribing", ({ code }) => tell("subscribing", { channel, code }));
  subscription.on("unsubscribed", ({ code }) => tell("unsubscribed", { channel, code }));
  subscription.on("error", ({ type, error }) => tell("error", { channel, type, code: error.code }));
  subscription.on("publication", ({ data, offset, info }) =>
    tell("publication", { channel, data, offset, info: info && { user: info.user, conn_info: info.connInfo } }));
  subscription.subscribe();
}

function call(id, method, parameters) {
  client[method](...parameters).then(
    (value) => tell("result", { id, value }),
    (error) => tell("result", { id, error: { code: error.code, message: error.message } }));
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.connect) connect(command.connect);
  else if (command.subscribe) subscribe(command.subscribe, command.options);
  else if (command.unsubscribe) client.getSubscription(command.unsubscribe).unsubscribe();
  else if (command.disconnect) client.disconnect();
  else if ("token" in command) waiting.shift()(command.token);
  else call(command.id, command.call, command.arguments);
}).on("close", () => process.exit());
