/**
 * Compares passwords with bcrypt hashes.
 *
 * Promise: bcrypt is slow by design, so it runs on a thread of its own and the event loop never waits
 * for it; equal questions are asked once; the queue and what is remembered are bounded. No password
 * is kept: what is remembered is a digest, keyed with a secret of this process.
 */

import { createHmac, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { HTTP_LIMITS } from './limits.ts';

/** `busy`: too many wait already. */
export type PasswordResult = 'right' | 'wrong' | 'busy';

/** CommonJS, because a thread that is made from text is; and text, because a path has no `.ts` later. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ id, password, hash }) => {
  parentPort.postMessage({ id, isRight: compareSync(password, hash) });
});
`;

/** A hash of nobody's password, of the usual cost: unknown names take as long as known ones. */
const NOBODY = '$2b$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';

export class Passwords {
  readonly #key = randomBytes(32);
  readonly #right = new Remembered();
  readonly #wrong = new Remembered();
  readonly #underWay = new Map<string, Promise<PasswordResult>>();
  readonly #waiting = new Map<number, (isRight: boolean | null) => void>();
  #thread: Worker | null = null;
  #lastId = 0;

  /** What is known of a password without a new comparison. */
  known(
    user: string,
    password: string,
    hash: string | undefined,
  ): 'right' | 'wrong' | 'under-way' | null {
    const digest = this.#digestOf(user, password, hash ?? NOBODY);
    if (hash !== undefined && this.#right.has(digest)) return 'right';
    if (this.#wrong.has(digest)) return 'wrong';
    return this.#underWay.has(digest) ? 'under-way' : null;
  }

  /** `hash` is undefined for a user that does not exist. Never rejects. */
  compare(user: string, password: string, hash: string | undefined): Promise<PasswordResult> {
    const digest = this.#digestOf(user, password, hash ?? NOBODY);
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const asked = this.#ask(password, hash ?? NOBODY).then((isRight): PasswordResult => {
      this.#underWay.delete(digest);
      if (isRight === null) return 'busy';
      const isUser = isRight && hash !== undefined;
      (isUser ? this.#right : this.#wrong).add(digest);
      return isUser ? 'right' : 'wrong';
    });
    this.#underWay.set(digest, asked);
    return asked;
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  /** Null when nobody can compare now. */
  #ask(password: string, hash: string): Promise<boolean | null> {
    if (this.#waiting.size >= HTTP_LIMITS.passwordChecks) return Promise.resolve(null);
    this.#thread ??= this.#startThread();
    const id = ++this.#lastId;
    const answer = new Promise<boolean | null>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    this.#thread.postMessage({ id, password, hash });
    return answer;
  }

  #startThread(): Worker {
    const thread = new Worker(THREAD, {
      eval: true,
      execArgv: [],
      workerData: createRequire(import.meta.url).resolve('bcryptjs'),
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
    thread.unref();
    thread.on('message', ({ id, isRight }: { id: number; isRight: boolean }) => {
      this.#waiting.get(id)?.(isRight);
      this.#waiting.delete(id);
    });
    // The next question starts another one.
    thread.on('error', () => undefined);
    thread.on('exit', () => {
      this.#thread = null;
      for (const resolve of this.#waiting.values()) resolve(null);
      this.#waiting.clear();
    });
    return thread;
  }

  #digestOf(user: string, password: string, hash: string): string {
    const parts = JSON.stringify([user, password, hash]);
    return createHmac('sha256', this.#key).update(parts).digest('base64');
  }
}

/** The digests that were used last. */
export class Remembered {
  readonly #digests = new Set<string>();

  has(digest: string): boolean {
    if (!this.#digests.delete(digest)) return false;
    this.#digests.add(digest);
    return true;
  }

  add(digest: string): void {
    this.#digests.add(digest);
    for (const oldest of this.#digests) {
      if (this.#digests.size <= HTTP_LIMITS.passwordsRemembered) break;
      this.#digests.delete(oldest);
    }
  }
}
