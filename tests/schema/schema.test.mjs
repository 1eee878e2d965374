// The schema itself: valid, readable by every engine, described, and without a rule that no
// configuration needs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { all } from "./configurations.mjs";
import { rules, without } from "./rules.mjs";
import { compile, packages, read, schema, validator } from "./support.mjs";

const { implied } = JSON.parse(read("tests/schema/limits.json"));
const { default: Ajv } = packages("ajv/dist/2020.js");

const definition = (reference) => schema.$defs[reference.replace("#/$defs/", "")];
const resolve = ({ $ref, ...own }) => {
  return $ref === undefined ? own : { ...resolve(definition($ref)), ...own };
};

// Where members are described.
const names = ["peer_certificate", "forward", "tenant", "registry", "client", "members_of_a_key"];
const described = new Set([
  "",
  ...names.map((name) => `/$defs/${name}`),
  "/$defs/client/properties/backend_authentication",
]);

function* nodes(node, at = "") {
  if (node === null || typeof node !== "object") return;
  yield [at, node];
  for (const [name, member] of Object.entries(node)) yield* nodes(member, `${at}/${name}`);
}

test("it is a schema of draft 2020-12, without anything that its validators do not know", () => {
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  const ajv = new Ajv();
  assert.ok(ajv.validateSchema(schema), JSON.stringify(ajv.errors));
  assert.equal(ajv.validateSchema({ ...schema, type: "objects" }), false);
  compile(schema);
});

test("its patterns say the same in every engine", () => {
  const patterns = [...nodes(schema)].filter(
    ([at, { pattern }]) => typeof pattern === "string" && !at.endsWith("/properties"),
  );
  assert.ok(patterns.length > 20);
  for (const [at, { pattern }] of patterns) {
    new RegExp(pattern, "u");
    // RE2 has no lookaround and no references; engines differ in classes and escapes.
    assert.doesNotMatch(pattern.replaceAll("\\\\", ""), /\(\?|\\[bBdDkpPsSux1-9]/, at);
  }
});

test("every member is described, and its description says the default", () => {
  let members = 0;
  for (const [at, { properties }] of nodes(schema)) {
    // Elsewhere the values of described members are restricted.
    if (properties === undefined || !described.has(at)) continue;
    for (const [name, property] of Object.entries(properties)) {
      const { title, description, default: value } = resolve(property);
      assert.ok(description ?? title, `${at}/properties/${name}: no description`);
      members += 1;
      if (typeof value !== "string" && typeof value !== "number") continue;
      assert.match(description, new RegExp(`Default: ${value}[.,]`), `${at}/properties/${name}`);
    }
  }
  assert.ok(members > 60, `${members} members`);
});

test("its examples are accepted", () => {
  const { $defs } = schema;
  const withExamples = [...nodes(schema)].filter(([, { examples }]) => Array.isArray(examples));
  assert.ok(withExamples.length > 5);
  for (const [at, { examples, ...rules }] of withExamples) {
    const fault = validator({ ...rules, $defs });
    for (const value of examples) assert.equal(fault({ value }), undefined, `${at}: ${value}`);
  }
});

test("some configuration needs each rule, but those that limits.json lists", (context) => {
  const different = new Map(
    all
      .filter(({ value, text }) => value !== undefined && text.length < 5000)
      .map((one) => [one.text, one]),
  );
  const accepts = validator(schema);
  const known = [...different.values()].map((one) => [one, accepts(one) === undefined]);
  const found = [...rules(schema)];
  const unseen = found.filter((steps) => {
    const others = validator(without(schema, steps), {
      validateSchema: false,
      code: { optimize: false },
    });
    return known.every(([one, accepted]) => (others(one) === undefined) === accepted);
  });
  const listed = implied.flatMap(({ rules }) => rules);
  assert.deepEqual(unseen.map((steps) => `/${steps.join("/")}`).sort(), listed.sort());
  assert.ok(found.length > 400);
  context.diagnostic(
    `${found.length} rules: ${found.length - unseen.length} are needed, ${unseen.length} implied`,
  );
});
