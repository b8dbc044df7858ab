/// Waiting for conditions: polled, with a deadline, never a blind sleep.

/// How many times as long as usual everything may take: instrumented programs are slow.
export const slowness = Number(process.env.TROUPE_TEST_SLOWNESS || 1);

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/// Polls `condition` (may be async) until it returns something truthy, and returns that. Fails after
/// `within` milliseconds (by `slowness`) with `what` and the last value or error.
export async function until(what, condition, { within: usually = 10_000, every = 20 } = {}) {
  const within = usually * slowness;
  const deadline = performance.now() + within;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${within} ms for: ${what}; last seen: ${seen}`);
    }
    await pause(every);
  }
}

/// Fails when `promise` takes longer than `usually` milliseconds times `slowness`.
export function soon(what, promise, usually = 10_000) {
  const within = usually * slowness;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${within} ms for: ${what}`)), within);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
