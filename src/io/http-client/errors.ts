/** How an exchange ends early, and what went wrong with it in words that quote nothing of the request. */

/** An end that this client itself has brought about; its message is for people. */
export class HttpClientError extends Error {}

/** The system's code, the words of {@link HttpClientError}, or what kind of error it is. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  if (error instanceof HttpClientError) return error.message;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : error.name;
}

/** The result of `promise`, unless the signal is aborted first. What loses is not waited for. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
