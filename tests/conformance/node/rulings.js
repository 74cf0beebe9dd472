/*
 * Sorts what differs by the rulings of docs/design.md, section 5: their scenarios stand in ../ruled.
 *
 *   node rulings.js < what the runner printed     what has no ruling, then how many have which; 1 if any has none
 *
 * The runner names the first difference of a play. Each ruling is known by that line; what is expected is Node's.
 */
'use strict';

const RULINGS = [
  ['connecting what is connected or connects', /got \["throw","connect","(EISCONN|EALREADY|ERR_STREAM_DESTROYED)"\]/],
  ['port 0 is none', /got \["throw","connect","ERR_MISSING_ARGS"\]/],
  ['listen() is done within the call',
    /ERR_SERVER_ALREADY_LISTEN|ERR_SERVER_NOT_RUNNING|"listening":false.*got .*"listening":true/],
  ["a look-up's answer after the destroying", /expected \["lookup"/],
  ['the callback of an end is always called', /got \["cb","e\d+","ERR_STREAM_DESTROYED"\]/],
  ['a life leaves nothing to the next',
    /expected \["error","(ERR_SOCKET_CLOSED_BEFORE_CONNECTION|ERR_MULTIPLE_CALLBACK)"\]/],
  ['a reset after our end', /expected \["error","EINVAL"\]/],
  ['the peer is known until close', /"remote(Address|Family|Port)":/],
  ["a closed unix server's path", /"address":"S.path".*got .*"address":null/],
  ['text that is not valid in its encoding', /ERR_INVALID_TEXT/],
  ['what waits is counted in bytes', /expected \["ret","write",true\], got \["ret","write",false\]/],
  ["a write's callback, and drain, of a batch", /expected \["drain"\], got \["cb","w|expected \["cb","w.*got \["drain"\]/],
  ['a socket keeps the program alive', /ended: expected "exits", got "stays"/],
  ['bytesWritten counts what was lost, too', /"bytesWritten":\d+.*got .*"bytesWritten":\d+/],
  ['a write that fails at once destroys within the call', /"destroyed":false.*got .*"destroyed":true/],
  ['writes of one handler leave together', /expected \["cb","[we]\d+","(EPIPE|ECONNRESET)"\], got \["cb","[we]\d+",null\]/,
    /expected \["error","(EPIPE|ECONNRESET)"\], got (\["close",false\]|nothing)/,
    /expected \["ret","write",false\], got \["ret","write",true\]/],
];

const counts = new Map();
let unruled = 0;
for (const line of require('node:fs').readFileSync(0, 'utf8').split('\n')) {
  if (!line.startsWith('FAIL ')) continue;
  const [ruling] = RULINGS.find(([, ...patterns]) => patterns.some((pattern) => pattern.test(line))) ?? [];
  if (ruling === undefined) {
    unruled++;
    console.log(line);
  } else {
    counts.set(ruling, (counts.get(ruling) ?? 0) + 1);
  }
}
for (const [ruling, count] of counts) console.log(`${count} by the ruling: ${ruling}`);
console.log(`${unruled} without a ruling`);
process.exitCode = unruled > 0 ? 1 : 0;
