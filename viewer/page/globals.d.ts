// What the two documents of the page have beside the browser's own: rrweb's player, and the stage that the page calls.

interface Window {
  /** vendor/replay.js */
  rrwebReplay: { Replayer: any };
  /** stage/stage.js, in the frame that plays */
  stage: any;
}
