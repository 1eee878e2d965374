// Arguments that are not what they must be, said so that the caller sees which one it is.

export function wrong(name, expected, found) {
  return new TypeError(`${name}: expected ${expected}, found ${kindOf(found)}`);
}

// Not the value itself, which may be a certificate or a secret.
function kindOf(value) {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  const kind = typeof value;
  return `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
}

export function expectString(name, value) {
  if (typeof value !== "string") throw wrong(name, "a string", value);
  return value;
}

export function expectObject(name, value, expected = "an object") {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) throw wrong(name, expected, value);
  return value;
}

// What an adapter is given: the gate, what it protects by that name, and options.
export function expectAdapted(gate, name, adapted, options) {
  // Not by its class: two copies of this package have one each.
  const isGate = ["decide", "decideHead", "policy"].every((name) => isFunction(gate?.[name]));
  if (!isGate) throw wrong("gate", "a Gate", gate);
  const example = name === "listener" ? ", such as (request, response, next) => next()" : "";
  if (!isFunction(adapted))
    throw wrong(name, `a function that gets what passes${example}`, adapted);
  expectObject("options", options);
  for (const name of ["onDecision", "onError"]) {
    const value = options[name];
    if (value !== undefined && !isFunction(value)) throw wrong(name, "a function", value);
  }
}

export const isFunction = (value) => typeof value === "function";
