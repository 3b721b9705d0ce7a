/** The files of the page: beside it, or within it as base64 where it is a single file. */

let token = null;

/** Send this token with each request from now on. */
export function useToken(value) {
  token = value;
}

/** The server wants a token. */
export class TokenError extends Error {}

function inlined(name) {
  return document.querySelector(`script[data-file="${name}"]`)?.textContent;
}

async function decoded(base64) {
  const answer = await fetch(`data:application/octet-stream;base64,${base64}`);
  return answer.arrayBuffer();
}

/** Return the bytes of a file that is within the page, or null. */
export async function bytesWithin(name) {
  const base64 = inlined(name);
  return base64 === undefined ? null : decoded(base64);
}

/** Return the bytes of a file; the query of the page, such as ?model=NAME, goes along. */
export async function bytesOf(name) {
  return (await bytesWithin(name)) ?? (await asked(`${name}${location.search}`)).arrayBuffer();
}

/** Return the answer of the server to a request, or throw its reason. */
export async function asked(path, options = {}) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const answer = await fetch(new URL(path, document.baseURI), { ...options, headers });
  if (answer.status === 401) throw new TokenError("the server wants its token");
  if (!answer.ok) throw new Error(await reasonOf(answer, path));
  return answer;
}

/** Return the address of a WebSocket, with the token, which no header can carry there. */
export function socketAddress(path, query) {
  const address = new URL(path, document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.search = new URLSearchParams(token === null ? query : { ...query, token });
  return address;
}

async function reasonOf(answer, name) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `${name} could not be loaded (${answer.status})`;
  }
}

/** Return the address of a script. Pages of files may not start a thread from a blob. */
export function scriptAddress(name) {
  const base64 = inlined(name);
  if (base64 === undefined) return new URL(name, document.baseURI);
  return `data:text/javascript;base64,${base64}`;
}
