/** The form that asks for the token of the server. */

import { useToken } from "./resources.js";

const at = (id) => document.getElementById(id);

/**
 * Ask for the token, and return once there is one.
 * @param {function} say shows a sentence.
 */
export function askForToken(say) {
  const form = at("token-form");
  form.hidden = false;
  at("token").value = "";
  say("This server needs its token.");
  at("token").focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      form.hidden = true;
      useToken(at("token").value);
      resolve();
    };
  });
}
