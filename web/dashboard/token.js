// The token of a guarded bridge: asked for in a dialog, kept for as long as the tab lives, or on this device if its owner
// says so. Shared by the pages.

const KEY = "token";

// A page in a frame of another origin may be refused any storage: then the token lives as long as the page.
function read(kind) {
  try {
    return window[kind].getItem(KEY);
  } catch {
    return null;
  }
}

function write(kind, value) {
  try {
    if (value === null) window[kind].removeItem(KEY);
    else window[kind].setItem(KEY, value);
  } catch {
    // It is asked for again.
  }
}

let token = read("sessionStorage") ?? read("localStorage");

/** The token that is sent now; null: none. */
export const held = () => token;

export const headers = () => (token === null ? {} : { Authorization: `Bearer ${token}` });

const dialog = document.createElement("dialog");
dialog.id = "token";
dialog.setAttribute("aria-labelledby", "token-title");
dialog.innerHTML = `
  <form method="dialog">
    <p id="token-title">This bridge asks for its API token.</p>
    <p id="token-wrong" class="note error" role="alert" hidden>This is not the token of this bridge.</p>
    <label>Token <input name="token" type="password" autocomplete="current-password" required></label>
    <label><input name="remember" type="checkbox"> remember on this device</label>
    <button>Show</button>
  </form>`;
document.body.append(dialog);

/** The bridge refused `used`, the token sent with a question. Asks for another one, then calls `again`. */
export function refused(used, again) {
  // Another one was given meanwhile.
  if (used !== token) return again();
  if (token !== null) {
    token = null;
    write("sessionStorage", null);
    write("localStorage", null);
  }
  if (used !== null) dialog.querySelector("#token-wrong").hidden = false;
  if (dialog.open) return;
  dialog.querySelector("#token-wrong").hidden = used === null;
  dialog.querySelector("form").onsubmit = (event) => {
    const given = new FormData(event.target);
    const text = given.get("token").trim();
    // Nothing else can stand in a header, so nothing else can be the token.
    if (!/^[\x21-\x7e]+$/.test(text)) {
      dialog.querySelector("#token-wrong").hidden = false;
      return event.preventDefault();
    }
    token = text;
    write(given.get("remember") ? "localStorage" : "sessionStorage", token);
    event.target.reset();
    again();
  };
  dialog.showModal();
}
