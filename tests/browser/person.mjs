// A browser of a person: some SDKs send nothing from one that says it is a robot's.
export const PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

/** Runs in the page before its scripts. */
export function asPerson() {
  for (const name of ["webdriver", "userAgentData"]) Object.defineProperty(Navigator.prototype, name, { get: () => undefined });
}
