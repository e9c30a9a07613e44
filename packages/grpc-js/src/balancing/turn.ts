let current = 0;
let isEnding = false;

/** The number of the present turn of the event loop, which ends when what was begun in it has run. */
export function currentTurn(): number {
  if (!isEnding) {
    isEnding = true;
    setImmediate(() => {
      isEnding = false;
      current++;
    });
  }
  return current;
}
