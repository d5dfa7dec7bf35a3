// What is read only once the page has drawn it: place, clock and marks are written by every picture of the screen.

/** Until what happened before is drawn. */
export const drawn = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** Where the player is, in seconds. */
export async function at(page) {
  await drawn(page);
  return Number(await page.locator(".scrubber").getAttribute("aria-valuenow"));
}

/** The text that `look` finds, as soon as it holds what is wanted; the last one, if it never does. */
export async function having(page, look, wanted) {
  let text = await look(page);
  for (let looks = 0; looks < 100 && !text.includes(wanted); looks += 1) {
    await page.waitForTimeout(100);
    text = await look(page);
  }
  return text;
}
