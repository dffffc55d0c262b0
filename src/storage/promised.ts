/** The promise of a call that takes a callback for its end. */
export async function promised(
  start: (done: (error: Error | undefined) => void) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    start((error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}
