/** Whether the promise has been settled. */
export async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 10; turn++) await undefined;
  return settled;
}
