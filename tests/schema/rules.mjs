// Every rule of a schema, and the schema without it.

// Keywords that refuse something, or decide what is looked at. Of some, each part is a rule of its
// own.
const whole = new Set([
  "$ref",
  "additionalProperties",
  "const",
  "contains",
  "else",
  "if",
  "items",
  "maxItems",
  "maxLength",
  "maximum",
  "minItems",
  "minLength",
  "minimum",
  "not",
  "pattern",
  "propertyNames",
  "then",
  "type",
  "uniqueItems",
]);
const ofParts = new Set([
  "allOf",
  "anyOf",
  "dependentSchemas",
  "enum",
  "oneOf",
  "properties",
  "required",
]);
const annotations = new Set([
  "$comment",
  "$id",
  "$schema",
  "default",
  "description",
  "doNotSuggest",
  "errorMessage",
  "examples",
  "patternErrorMessage",
  "title",
]);
const definitions = "$defs";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const target = (root, reference) =>
  reference
    .split("/")
    .slice(1)
    .reduce((node, step) => node[step], root);

// Whether it refuses anything at all; otherwise it only describes.
function refuses(schema, root) {
  if (!isObject(schema)) return schema === false;
  return Object.entries(schema).some(([keyword, value]) => {
    if (annotations.has(keyword)) return false;
    if (keyword === "$ref") return refuses(target(root, value), root);
    if (keyword === "properties") return Object.values(value).some((part) => refuses(part, root));
    return keyword === "items" ? refuses(value, root) : true;
  });
}

// The rules as arrays of the steps that lead to them.
export function* rules(schema, root = schema, at = []) {
  for (const [keyword, value] of Object.entries(schema)) {
    const here = [...at, keyword];
    if (annotations.has(keyword)) continue;
    if (keyword === definitions || ofParts.has(keyword)) {
      for (const [name, part] of Object.entries(value)) {
        // Where unknown members are refused, each known one counts.
        const isOnlyDescribed =
          keyword === "properties" && schema.additionalProperties !== false && !refuses(part, root);
        if (keyword !== definitions && !isOnlyDescribed) yield [...here, name];
        if (isObject(part)) yield* rules(part, root, [...here, name]);
      }
    } else if (whole.has(keyword)) {
      const part = keyword === "$ref" ? target(root, value) : value;
      if (!isObject(part) || refuses(part, root)) yield here;
      if (isObject(value)) yield* rules(value, root, here);
    } else {
      throw new Error(`/${here.join("/")}: what does this keyword do?`);
    }
  }
}

// With the last part of a list the list goes too; with a condition, what depends on it.
export function without(schema, steps) {
  const copy = structuredClone(schema);
  const nodes = steps.slice(0, -1).reduce((nodes, step) => [...nodes, nodes.at(-1)[step]], [copy]);
  const [last, parent] = [steps.at(-1), nodes.at(-1)];
  if (last === "then" || last === "else") {
    parent[last] = true;
  } else if (last === "if") {
    for (const keyword of ["if", "then", "else"]) delete parent[keyword];
  } else if (!Array.isArray(parent)) {
    delete parent[last];
  } else if (parent.length > 1) {
    parent.splice(last, 1);
  } else {
    delete nodes.at(-2)[steps.at(-2)];
  }
  return copy;
}
