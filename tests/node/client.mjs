// node's ws as a client, driven by lines of JSON: commands on stdin, events on stdout.
//
//   node client.mjs ws://HOST:PORT/PATH deflate|plain
//
// Commands: {"send": BASE64, "text": BOOL}, {"close": CODE}. Events: {"event": "open", "headers",
// "extensions"}, {"event": "message", "data", "text"}, {"event": "close", "code"}.

import { createInterface } from "node:readline";
import WebSocket from "ws";

const [url, compression] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: compression === "deflate" });
const tell = (event) => process.stdout.write(JSON.stringify(event) + "\n");

let headers = {};
socket.on("upgrade", (response) => { headers = response.headers; });
socket.on("open", () => tell({ event: "open", headers, extensions: socket.extensions }));
socket.on("message", (data, binary) =>
  tell({ event: "message", data: data.toString("base64"), text: !binary }));
socket.on("close", (code) => { tell({ event: "close", code }); process.exit(); });
socket.on("error", (error) => { console.error(error); });

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if ("close" in command) socket.close(command.close);
  else socket.send(Buffer.from(command.send, "base64"), { binary: !command.text });
});
