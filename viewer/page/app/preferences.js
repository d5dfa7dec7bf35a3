// What somebody has chosen for this browser: the time zone and the language. Kept here and not on the server, which knows no people.

const KEY = "replaylake.preferences";

/** @returns {{zone?: string, language?: string}} */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {}; // storage is off, or no browser
  }
}

/** @param {"zone" | "language"} name */
export const preference = (name) => kept()[name] ?? "";

/** @param {"zone" | "language"} name */
export function prefer(name, value) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...kept(), [name]: value }));
  } catch {
    // then it holds for this address alone
  }
}
