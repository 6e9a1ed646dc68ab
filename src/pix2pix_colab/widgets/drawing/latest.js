/** Run one job at a time. Of those that are asked for meanwhile only the newest is run: a pen is faster than a network.
 * @template Job
 * @param {(job: Job) => Promise<void>} run it should not throw
 * @returns {(job: Job) => Promise<void>} ask for a job; resolves once no job is left, if it began the work
 */
export function latest(run) {
  /** @type {Job[]} */
  let waiting = [];
  let busy = false;
  const work = () => {
    const job = waiting.pop();
    return job === undefined ? Promise.resolve() : run(job).then(work);
  };
  return async (job) => {
    waiting = [job];
    if (busy) return;
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
    }
  };
}
