// Schema and parser accept and refuse the same configurations, but for the differences that
// limits.json lists.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all, configurations } from "./configurations.mjs";
import { compile, editor, read, refusal, schema, validator } from "./support.mjs";

const { differences } = JSON.parse(read("tests/schema/limits.json"));
const fault = validator(schema);
const accepts = (configuration) => fault(configuration) === undefined;
const same = (some, others, what) => assert.deepEqual([...some].sort(), [...others].sort(), what);

test("there is something to compare", (context) => {
  const names = all.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "two configurations have one name");
  for (const [where, found] of Object.entries(configurations)) {
    assert.ok(found.length >= 5, `${where}: ${found.length} configurations`);
    context.diagnostic(`${found.length} of ${where}`);
  }
  const refused = all.filter(({ text }) => refusal(text) !== undefined).length;
  const different = new Set(all.map(({ text }) => text)).size;
  context.diagnostic(
    `${all.length} configurations, ${different} different ones, ${refused} that the parser refuses`,
  );
});

test("the parser accepts and refuses what the tables say", () => {
  for (const { name, text, accepted } of all) {
    if (accepted !== undefined)
      assert.equal(refusal(text) === undefined, accepted, `${name}: ${refusal(text)}`);
  }
});

test("both accept what is shipped", () => {
  for (const { name, text, value } of configurations.shipped) {
    assert.equal(refusal(text), undefined, name);
    assert.equal(fault({ value }), undefined, name);
  }
});

test("the schema refuses nothing that the parser accepts", () => {
  for (const { name, text, value } of all) {
    if (refusal(text) === undefined) assert.equal(fault({ value }), undefined, name);
  }
});

test("what the parser alone refuses is listed with its reason, and nothing else is", (context) => {
  const listed = differences.flatMap(({ configurations }) => configurations);
  const found = all.filter(
    (configuration) => accepts(configuration) && refusal(configuration.text) !== undefined,
  );
  same(
    found.map(({ name }) => name),
    listed,
    "the differences are others than limits.json lists",
  );
  for (const { reason, configurations } of differences)
    context.diagnostic(`${configurations.length}: ${reason}`);
});

test("VS Code reports what the schema refuses, and members that are there twice", async () => {
  const [{ configurations: repeated }] = differences;
  // An empty document has no problem there.
  for (const { name, text, value } of all.filter(({ text }) => text !== "")) {
    const problems = await editor(text).problems();
    const none = accepts({ value }) && !repeated.includes(name);
    assert.equal(problems.length === 0, none, `${name}: ${JSON.stringify(problems)}`);
  }
});

// A configuration with one change in it, for every change.
const values = [null, true, 5, 1.5, -1, "", " ", "x", "/x", [], {}, ["x"], [5]];
function* changed(node, put) {
  for (const value of values) yield put(value);
  if (Array.isArray(node)) {
    for (const [index, element] of node.entries()) {
      yield put(node.filter((_, other) => other !== index));
      yield put([...node, element]);
      yield* changed(element, (value) =>
        put(node.map((other, place) => (place === index ? value : other))),
      );
    }
  } else if (node !== null && typeof node === "object") {
    yield put({ ...node, x: 1 });
    for (const [name, member] of Object.entries(node)) {
      const { [name]: _, ...rest } = node;
      yield put(rest);
      yield put({ ...rest, [`${name}s`]: member });
      yield put({ ...rest, [name.toUpperCase()]: member });
      yield* changed(member, (value) => put({ ...node, [name]: value }));
    }
  }
}

test("the same holds of every accepted configuration with one change", (context) => {
  const small = all.filter(({ text }) => text.length < 1500);
  const seeds = small.filter(({ name, text }) => {
    return /^(configuration|registry|README)/.test(name) && refusal(text) === undefined;
  });
  const wholes = seeds.flatMap(({ value }) => [...changed(value, (whole) => whole)]);
  const texts = new Set(wholes.map((whole) => JSON.stringify(whole)));
  const reasons = differences
    .filter(({ refusal }) => refusal)
    .map(({ refusal }) => new RegExp(refusal));
  const counts = { texts: texts.size, refused: 0, alone: 0 };
  for (const text of texts) {
    const why = refusal(text);
    const found = fault({ value: JSON.parse(text) });
    if (why === undefined) {
      assert.equal(found, undefined, `the schema refuses ${text}`);
      continue;
    }
    counts.refused += 1;
    if (found !== undefined) continue;
    counts.alone += 1;
    assert.ok(
      reasons.some((reason) => reason.test(why)),
      `the schema accepts ${text}: ${why}`,
    );
  }
  assert.ok(
    counts.texts > 5000 && counts.refused > 1000 && counts.refused < counts.texts,
    JSON.stringify(counts),
  );
  context.diagnostic(
    `${counts.texts} texts: the parser refuses ${counts.refused}, and alone ${counts.alone}`,
  );
});

test("the validator refuses what a schema refuses, and nothing else", () => {
  const validate = compile({
    type: "object",
    properties: { a: { pattern: "^b$" } },
    additionalProperties: false,
  });
  assert.deepEqual(
    [{}, { a: "b" }, { a: "c" }, { b: 1 }, 1].map((value) => validate(value)),
    [true, true, false, false, false],
  );
});
