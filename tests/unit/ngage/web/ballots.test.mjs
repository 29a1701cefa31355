import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Ballots } from "../../../../src/ngage/web/event/ballots.js";
import { install, settle } from "./fakes.mjs";

let client, ballots;

// Answers each call by hand.
class Client {
  state = "connected";
  asked = [];

  rpc(method, data) {
    return new Promise((resolve, reject) => {
      this.asked.push({ data, resolve, reject });
    });
  }

  async accept() {
    this.asked.at(-1).resolve({ status: "accepted" });
    await settle();
  }

  async refuse(code, message = "", isTemporary = false) {
    this.asked.at(-1).reject(Object.assign(new Error(message), { code, isTemporary }));
    await settle();
  }

  get votes() {
    return this.asked.map(({ data }) => [data.seq, data.choices]);
  }
}

beforeEach(() => {
  install();
  client = new Client();
  ballots = new Ballots("gala", client);
});

test("numbers count up, and an answer settles a vote", async () => {
  ballots.vote(7, [0]);
  assert.ok(ballots.isPending(7));
  await client.accept();
  assert.ok(!ballots.isPending(7));
  ballots.vote(7, [1]);
  await client.accept();
  assert.deepEqual(client.votes, [[1, [0]], [2, [1]]]);
  assert.deepEqual(ballots.of(7).counted, { seq: 2, choices: [1] });
});

test("without an answer the same vote goes out again, with the same time", async () => {
  ballots.shown(7);
  ballots.vote(7, [0]);
  await client.refuse(0, "no answer", true);
  mock.timers.tick(250);
  await settle();
  assert.equal(client.asked.length, 2);
  assert.deepEqual(client.asked[1].data, client.asked[0].data);
});

test("a vote that the server tells of before it answers is settled", async () => {
  ballots.vote(7, [0]);
  ballots.learn({ 7: { seq: 1, choices: [0] } });
  await client.accept();
  assert.equal(client.asked.length, 1);
  assert.ok(!ballots.isPending(7));
  ballots.vote(7, [1]);
  assert.deepEqual(client.votes.at(-1), [2, [1]]);
});

test("a server that says how long to wait is obeyed", async () => {
  ballots.vote(7, [0]);
  await client.refuse(4008, "too fast: try again in 3000 ms", true);
  mock.timers.tick(2_999);
  await settle();
  assert.equal(client.asked.length, 1);
  mock.timers.tick(251);
  await settle();
  assert.equal(client.asked.length, 2);
});

test("of two choices made while the first is under way the second is sent after it", async () => {
  ballots.vote(7, [0]);
  ballots.vote(7, [1]);
  assert.deepEqual(client.votes, [[1, [0]]]);
  await client.accept();
  assert.deepEqual(client.votes, [[1, [0]], [2, [1]]]);
});

test("a loss ends the trying, and a new connection asserts what was chosen", async () => {
  ballots.vote(7, [0]);
  client.state = "lost";
  await client.refuse(0, "connection lost", true);
  mock.timers.tick(60_000);
  await settle();
  assert.equal(client.asked.length, 1);
  assert.ok(ballots.isPending(7));
  client.state = "connected";
  ballots.assert([7]);
  await client.accept();
  ballots.assert([7]); // and so does the next one, though it is known to be counted
  assert.deepEqual(client.votes, [[1, [0]], [1, [0]], [1, [0]]]);
});

test("what is learnt while a vote is under way is not undone by its answer", async () => {
  ballots.vote(7, [0]);
  ballots.learn({ 7: { seq: 4, choices: [1] } });
  await client.accept();
  assert.deepEqual(ballots.of(7).counted, { seq: 4, choices: [1] });
  assert.ok(!ballots.isPending(7));
});

test("polls that are not open are not asserted", async () => {
  ballots.vote(7, [0]);
  await client.accept();
  ballots.assert([8]);
  assert.equal(client.asked.length, 1);
});

test("a refusal leaves what was counted before", async () => {
  ballots.vote(7, [0]);
  await client.accept();
  ballots.vote(7, [1]);
  await client.refuse(4001, "closed");
  assert.deepEqual(ballots.of(7).counted, { seq: 1, choices: [0] });
  assert.equal(ballots.of(7).refusal.code, 4001);
});

test("a refusal of what was counted already means nothing", async () => {
  ballots.vote(7, [0]);
  await client.accept();
  ballots.assert([7]);
  await client.refuse(4006, "late");
  assert.equal(ballots.of(7).refusal, null);
});

test("another page of the same browser goes on with the numbers", async () => {
  ballots.vote(7, [0]);
  await client.accept();
  const later = new Ballots("gala", client);
  later.vote(7, [1]);
  assert.deepEqual(client.votes.at(-1), [2, [1]]);
});

test("what was voted elsewhere is learnt, and counts on", async () => {
  ballots.learn({ 7: { seq: 5, choices: [2] } });
  assert.deepEqual(ballots.of(7).counted.choices, [2]);
  ballots.vote(7, [0]);
  assert.deepEqual(client.votes, [[6, [0]]]);
  ballots.learn({ 7: { seq: 5, choices: [2] } });
  assert.deepEqual(ballots.of(7).wanted.choices, [0]);
});
