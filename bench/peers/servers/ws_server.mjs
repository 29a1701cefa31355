// node's ws: each message framed once, written to every socket. One thread.
//
// ws has no broadcast, and send() frames anew for each client; its author's answer is
// Sender.frame(), a public static function made for this (github.com/websockets/ws, pull request
// 1016), and the socket that comes with the upgrade request. What the publisher sent in one turn
// of the loop goes out in one write. Without compression, as its README advises for many clients.
//
//     node ws_server.mjs DIRECTORY PORT       DIRECTORY/node_modules/ws is the one to use

import { createRequire } from "node:module";

const [directory, port] = process.argv.slice(2);
const { Sender, WebSocketServer } = createRequire(`${directory}/`)("ws");
const BINARY = { fin: true, opcode: 2, mask: false, readOnly: true };
const subscribers = new Set();
let pending = [];

function flush() {
  const frames = Buffer.concat(pending);
  pending = [];
  for (const socket of subscribers) if (socket.writable) socket.write(frames);
}

function publish(data, binary) {
  if (!binary) return;
  if (pending.length === 0) setImmediate(flush);
  pending.push(...Sender.frame(data, BINARY));
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  backlog: 65535,
  perMessageDeflate: false,
  clientTracking: false,
  maxPayload: 16 << 20,
  verifyClient: ({ req }) => req.url === "/publish" || req.url.startsWith("/ws/"),
});
server.on("listening", () => console.log(`ready port=${server.address().port}`));
server.on("connection", (client, { url, socket }) => {
  client.on("error", () => {}); // a reset; the close follows
  if (url === "/publish") {
    client.on("message", publish);
    return;
  }
  subscribers.add(socket);
  client.on("close", () => subscribers.delete(socket));
});
process.stdin.on("end", () => process.exit()).resume();
