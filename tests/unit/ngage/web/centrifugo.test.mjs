import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { CallError, Centrifugo } from "../../../../src/ngage/web/shared/centrifugo.js";
import { FakeSocket, install, settle, sockets } from "./fakes.mjs";

let states, tickets;

beforeEach(() => {
  install();
  states = [];
  let kept = "";
  tickets = { load: () => kept, save: (text) => (kept = text) };
});

function open(options = {}) {
  return new Centrifugo("ws://edge/connection/websocket", {
    tickets, changed: (state) => states.push(state), ...options,
  });
}

async function accept(socket = sockets.at(-1), about = {}) {
  socket.onopen();
  const { id } = socket.asked("connect");
  socket.say({ id, connect: { ping: 25, pong: true, data: { ticket: "T1", user: "anon-1" }, ...about } });
  await settle();
  return socket;
}

function reply(socket, command, result) {
  socket.say({ id: socket.asked(command).id, [command]: result });
}

test("a newcomer gets a ticket and shows it the next time", async () => {
  open();
  const first = await accept();
  assert.deepEqual(first.asked("connect").connect.data, {});
  assert.equal(tickets.load(), "T1");
  first.drop(1006);
  mock.timers.tick(250);
  const second = await accept();
  assert.deepEqual(second.asked("connect").connect.data, { ticket: "T1" });
  assert.deepEqual(states, ["connected", "lost", "connecting", "connected"]);
});

test("a token goes before a ticket", async () => {
  tickets.save("T0");
  open({ token: "jwt" });
  const { connect } = (await accept()).asked("connect");
  assert.equal(connect.token, "jwt");
  assert.equal(connect.data.ticket, undefined);
});

test("a ticket that is refused is forgotten, and the client comes as a newcomer", async () => {
  tickets.save("old");
  open();
  const [socket] = sockets;
  socket.onopen();
  socket.drop(3500, "invalid token");
  assert.equal(states.at(-1), "lost");
  mock.timers.tick(250);
  assert.deepEqual((await accept()).asked("connect").connect.data, {});
});

test("a token that is refused is the end", () => {
  open({ token: "jwt" });
  sockets[0].drop(3500, "invalid token");
  assert.equal(states.at(-1), "ended");
});

test("pings are answered, and silence is a loss", async () => {
  open();
  const socket = await accept();
  socket.say({});
  assert.deepEqual(socket.sent.at(-1), {});
  mock.timers.tick(34_999);
  assert.equal(states.at(-1), "connected");
  socket.say({});
  mock.timers.tick(34_999);
  assert.equal(states.at(-1), "connected");
  mock.timers.tick(1);
  assert.equal(states.at(-1), "lost");
});

for (const [code, ceilingMs] of [[1006, 500], [3004, 500], [1012, 10_000], [1001, 10_000], [1013, 10_000]]) {
  test(`${code} is followed by a wait of up to ${ceilingMs} ms`, () => {
    open();
    sockets[0].drop(code);
    mock.timers.tick(ceilingMs / 2 - 1);
    assert.equal(sockets.length, 1);
    mock.timers.tick(1);
    assert.equal(sockets.length, 2);
  });
}

for (const code of [3500, 3999, 4500, 4999]) {
  test(`${code} is the end`, () => {
    open();
    sockets[0].drop(code);
    mock.timers.tick(100_000);
    assert.equal(sockets.length, 1);
    assert.equal(states.at(-1), "ended");
  });
}

test("each failure doubles the wait, up to 20 s", () => {
  open();
  for (const ceilingMs of [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]) {
    const before = sockets.length;
    sockets.at(-1).drop(1006);
    mock.timers.tick(ceilingMs / 2 - 1);
    assert.equal(sockets.length, before);
    mock.timers.tick(1);
    assert.equal(sockets.length, before + 1);
  }
});

test("who was sent away by a message comes back too", async () => {
  open();
  const socket = await accept();
  socket.say({ push: { disconnect: { code: 3004, reason: "server error" } } });
  assert.equal(states.at(-1), "lost");
});

test("publications come in order, though they follow the answer in one frame", async () => {
  const client = open();
  const socket = await accept();
  const got = [];
  client.subscribe("chat:a", { publication: (data, { isOld }) => got.push([data, isOld]) });
  const { id } = socket.asked("subscribe");
  socket.say(
    { id, subscribe: { epoch: "e", offset: 2, publications: [{ data: "two", offset: 2 }] } },
    { push: { channel: "chat:a", pub: { data: "three", offset: 3 } } },
  );
  assert.deepEqual(got, [["two", true], ["three", false]]);
});

test("a subscription goes on where it was, and tells of what it misses", async () => {
  const client = open();
  const socket = await accept();
  const got = [];
  const handlers = {
    publication: (data, { missing }) => got.push(missing ? [data, missing] : data),
    gap: () => got.push("gap"),
  };
  client.subscribe("chat:a", handlers);
  reply(socket, "subscribe", { epoch: "e", offset: 5 });
  socket.say({ push: { channel: "chat:a", pub: { data: "six", offset: 6 } } });
  socket.say({ push: { channel: "chat:a", pub: { data: "nine", offset: 9 } } });
  socket.drop(1006);
  mock.timers.tick(250);
  const second = await accept();
  assert.deepEqual(second.asked("subscribe").subscribe, {
    channel: "chat:a", recover: true, epoch: "e", offset: 9,
  });
  reply(second, "subscribe", {
    epoch: "e", offset: 10, was_recovering: true, recovered: true, publications: [{ data: "ten", offset: 10 }],
  });
  second.drop(1006);
  mock.timers.tick(500);
  const third = await accept();
  assert.equal(third.asked("subscribe").subscribe.offset, 10);
  reply(third, "subscribe", { epoch: "f", offset: 90, was_recovering: true, recovered: false });
  third.say({ push: { channel: "chat:a", pub: { data: "ninety-one", offset: 91 } } });
  assert.deepEqual(got, ["six", ["nine", 2], "ten", "gap", "ninety-one"]);
});

test("the last publications come first where they are asked for", async () => {
  const client = open();
  const socket = await accept();
  const got = [];
  client.subscribe("chat:a", { publication: (data) => got.push(data) }, 2);
  assert.deepEqual(socket.asked("history").history, { channel: "chat:a", limit: 2, reverse: true });
  reply(socket, "history", {
    epoch: "e", offset: 8, publications: [{ data: "eight", offset: 8 }, { data: "seven", offset: 7 }],
  });
  await settle();
  assert.deepEqual(got, ["seven", "eight"]);
  assert.equal(socket.asked("subscribe").subscribe.offset, 8);
});

test("who is put off a channel subscribes again where that is asked for", async () => {
  const client = open();
  const socket = await accept();
  client.subscribe("event:a", { publication: () => {} });
  reply(socket, "subscribe", { epoch: "e", offset: 1 });
  const before = socket.sent.length;
  socket.say({ push: { channel: "event:a", unsubscribe: { code: 2000 } } });
  assert.equal(socket.sent.length, before);
  socket.say({ push: { channel: "event:a", unsubscribe: { code: 2500 } } });
  assert.equal(socket.sent.length, before + 1);
});

test("a call has one of four ends", async () => {
  const client = open();
  await assert.rejects(client.rpc("react", {}), { code: 0, isTemporary: true });
  const socket = await accept();
  const answered = client.rpc("react", { n: 1 });
  assert.deepEqual(socket.asked("rpc").rpc, { method: "react", data: { n: 1 } });
  reply(socket, "rpc", { data: { ok: 1 } });
  assert.deepEqual(await answered, { ok: 1 });
  const refused = client.rpc("react", {});
  socket.say({ id: socket.asked("rpc").id, error: { code: 4001, message: "closed" } });
  await assert.rejects(refused, (error) => error instanceof CallError && error.code === 4001 && !error.isTemporary);
  const late = client.rpc("react", {});
  mock.timers.tick(10_000);
  await assert.rejects(late, { code: 0, isTemporary: true });
  const lost = client.rpc("react", {});
  socket.drop(1006);
  await assert.rejects(lost, { code: 0, isTemporary: true });
});
