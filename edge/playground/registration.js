// What the client registered, in whichever form it was pasted, as a configuration of the filter.

import { convertClients, readName } from "./index.js";

/** The paths in a field, which blanks or commas separate. */
export const readEndpoints = (text) => text.split(/[\s,]+/).filter(Boolean);

/**
 * What was pasted, `undefined` where nothing was; throws where it is nothing that is known.
 * `configuration(endpoints)` is the text for the filter: JavaScript hides a member that stands
 * there twice. `clients` are those that are in it, `note` says what it was taken for, and `at` is
 * the pointer of what was pasted. A configuration of the filter has its own `endpoints`, and a
 * `host` where it has tenants.
 */
export function readRegistration(pasted, clientId) {
  const text = pasted.trim();
  if (!text) return undefined;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (/^[{["]/.test(text)) throw new Error(`Not JSON: ${error.message}`);
    return ofName(text, clientId);
  }
  if (typeof value === "string" && value) return ofName(value, clientId);
  const server = serverOf(value);
  if (server) return ofServer(text, server);
  if (Array.isArray(value)) return ofList(text, value, listNote(value.length));
  if (isConfiguration(value)) return ofConfiguration(text, value);
  return { ...ofList(`[${text}]`, [value], ""), at: "/clients/0" };
}

function ofName(text, clientId) {
  // As openssl prints it.
  const name = text.replace(/^subject\s*[:=]\s*/i, "");
  try {
    readName(name);
  } catch (error) {
    throw new Error(`Neither JSON nor a distinguished name (${error.message}).`);
  }
  const client = {
    client_id: clientId ?? "client",
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_subject_dn: name,
  };
  const note = `Read as the subject DN of the client “${client.client_id}”.`;
  return ofList(JSON.stringify([client]), [client], note);
}

function ofList(text, clients, note) {
  const configuration = (endpoints) => {
    const guarded = endpoints.length ? `"endpoints":${JSON.stringify(endpoints)},` : "";
    return `{${guarded}"clients":${text}}`;
  };
  return { configuration, clients: clients.filter(isObject), note, at: "/clients" };
}

const listNote = (number) =>
  number === 1
    ? "A list of one client."
    : `A list of ${number} clients. The client_id of the request says which of them it is.`;

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether it is a whole configuration of the filter, and no client. */
const isConfiguration = (value) =>
  isObject(value) &&
  !Object.hasOwn(value, "client_id") &&
  ["clients", "registry", "tenants"].some((name) => Object.hasOwn(value, name));

function ofConfiguration(text, value) {
  const tenants = Array.isArray(value.tenants) ? value.tenants.filter(isObject) : [];
  const policies = [value, ...tenants];
  const clients = policies.flatMap((policy) =>
    Array.isArray(policy.clients) ? policy.clients : [],
  );
  const notes = ["A configuration of the filter, with its own endpoints."];
  if (policies.some((policy) => policy.registry)) {
    notes.push("This page fetches nothing: it does not see the clients of a registry.");
  }
  const host = hostOf(tenants[0]);
  if (host) notes.push(`Tenants: the request is for ${host}, unless a host header says another.`);
  const endpoints = policies.flatMap((policy) => policy.endpoints ?? []);
  return {
    configuration: () => text,
    clients: clients.filter(isObject),
    note: notes.join(" "),
    at: "",
    host,
    endpoints,
  };
}

const hostOf = (tenant) =>
  Array.isArray(tenant?.hosts) ? String(tenant.hosts[0]).replace(/^\*/, "any") : undefined;

// Members by which the clients of other servers are known, each in any letter case.
const servers = {
  keycloak: ["clientauthenticatortype"],
  authlete: ["tokenauthmethod", "clientidalias"],
  spring: ["client_authentication_methods", "oauth2_registered_client"],
  duende: ["clientsecrets", "requireclientsecret", "identityserver"],
};
const titles = {
  keycloak: "Keycloak",
  authlete: "Authlete",
  spring: "Spring Authorization Server",
  duende: "Duende IdentityServer",
};

function serverOf(value) {
  const outer = (Array.isArray(value) ? value : [value]).filter(isObject);
  const below = ({ clients, Clients, IdentityServer }) =>
    clients ?? Clients ?? IdentityServer?.Clients ?? [];
  const entries = [...outer, ...outer.flatMap(below).filter(isObject)];
  const members = new Set(entries.flatMap(Object.keys).map((name) => name.toLowerCase()));
  // Client metadata may have any other member, too; Spring's columns have its names.
  const isOther = (server) => server === "spring" || !members.has("client_id");
  const isKnown = (server) => servers[server].some((name) => members.has(name));
  return Object.keys(servers).find((server) => isOther(server) && isKnown(server));
}

function ofServer(text, server) {
  const of = `of ${titles[server]}`;
  let entries;
  try {
    entries = convertClients(text, server);
  } catch (error) {
    throw new Error(`No clients ${of}: ${error.message}`);
  }
  const clients = entries.flatMap(({ clients }) => clients ?? []);
  const refused = entries.filter(({ error }) => error);
  const reasons = refused.map(({ clientIds, error }) => {
    const who = clientIds.length ? `“${clientIds.join("”, “")}”` : "a client without an identifier";
    return `${who} (${[error.pointer, error.message].filter(Boolean).join(": ")})`;
  });
  if (!clients.length && reasons.length) {
    throw new Error(`The filter cannot take this client ${of}: ${shortened(reasons)}.`);
  }
  const notes = [`Read as ${entries.length === 1 ? "a client" : "clients"} ${of}.`];
  if (entries.length > 1) notes.push("The client_id of the request says which of them it is.");
  if (reasons.length) notes.push(`Not taken: ${shortened(reasons)}.`);
  return ofList(JSON.stringify(clients), clients, notes.join(" "));
}

function shortened(reasons) {
  const rest = reasons.length - 3;
  return reasons.slice(0, 3).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/** An error of the configuration, as it is seen from the field of its endpoints. */
export const endpointsError = (message, endpoints) =>
  message.replace(/^\/endpoints\/(\d+)/, (_, index) => `“${endpoints[index]}”`);

/**
 * The same, seen from the client's field. What the filter alone does not take for JSON it counts in
 * lines of its own.
 */
export function clientError(message, { at }) {
  const place = message.replace(/ at line \d+ column \d+$/, "").replace(/^the configuration: /, "");
  return place.startsWith(at) ? place.slice(at.length).replace(/^: /, "") : place;
}

/** The client that a request is about: the one that it names, or the only one. */
export function clientOf({ clients }, clientId) {
  const named = clients.find((client) => client.client_id === clientId);
  return named ?? (clients.length === 1 ? clients[0] : undefined);
}
