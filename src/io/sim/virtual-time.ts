/**
 * The one time line of a simulated world, and the driver that moves along it.
 *
 * Promise: tasks run in the order of (time, sequence of setting), one at a time, and everything
 * that follows from a task without time passing has happened before the next one runs. The same
 * tasks give the same run. A world that goes round in a circle is an error that names the circle.
 * Boundary: it knows no node, no wall clock, and never waits for a real one.
 */

/** One instant has so many tasks at most; more means that a task sets itself again for ever. */
const TASKS_AT_ONE_INSTANT_MAX = 10_000;
/** Of the last so many of those, the place in the code that set them is kept for the error. */
const TRACE_LENGTH = 8;
/** After so many tasks Node.js may do what it has to do beside: report what was rejected, collect. */
const TASKS_BETWEEN_TURNS = 1_000;

interface Task {
  readonly at: number;
  readonly sequence: number;
  readonly run: () => void;
  /** Who set it; kept only when a circle is suspected. */
  readonly setBy: string | undefined;
  isCancelled: boolean;
}

export class VirtualTime {
  #nowMs = 0;
  #sequence = 0;
  /** A binary heap: no task is due before the one at half its place. */
  readonly #tasks: Task[] = [];
  #tasksRun = 0;
  #tasksAtInstant = 0;
  readonly #trace: string[] = [];

  /** Milliseconds since this world began. Never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many tasks have run so far. */
  get tasksRun(): number {
    return this.#tasksRun;
  }

  /** Runs `run` once after `delayMs`; 0 is later in this instant. The result cancels it. */
  after(delayMs: number, run: () => void): () => void {
    if (!(delayMs >= 0)) throw new RangeError(`a task cannot be ${delayMs} ms ahead`);
    const task: Task = {
      at: this.#nowMs + delayMs,
      sequence: this.#sequence++,
      run,
      setBy: this.#isSuspicious() ? new Error('set here').stack : undefined,
      isCancelled: false,
    };
    this.#push(task);
    return () => {
      task.isCancelled = true;
    };
  }

  /** Lets time pass up to `untilMs`, running what falls due on the way. */
  async runUntil(untilMs: number): Promise<void> {
    await settle();
    while (this.#nextAt() <= untilMs) await this.runOne();
    this.#moveTo(Math.max(this.#nowMs, untilMs));
  }

  /** Lets so much time pass. */
  run(ms: number): Promise<void> {
    return this.runUntil(this.#nowMs + ms);
  }

  /**
   * Lets time pass until a promise has its result, and gives it. Throws when nothing is left to
   * happen, or `limitMs` have passed, and the promise still waits.
   */
  async until<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    let isPending = true;
    const settled = (): void => {
      isPending = false;
    };
    promise.then(settled, settled);
    const endMs = this.#nowMs + limitMs;
    await settle();
    while (isPending) {
      if (this.#nextAt() > endMs) {
        throw new Error(`at ${this.#nowMs} ms a promise still waits, and nothing will settle it`);
      }
      await this.runOne();
    }
    return promise;
  }

  /** Runs the task that is due next, and what follows from it. */
  async runOne(): Promise<void> {
    this.#runNext();
    await settle();
  }

  /**
   * Lets time pass until `untilMs`, or until `isOver` says so after a task and what followed from it;
   * answers whether it did. As {@link runUntil}, but without a promise for each task.
   */
  async runWhile(untilMs: number, isOver: () => boolean): Promise<boolean> {
    await settle();
    const wasOver = await new Promise<boolean>((resolve, reject) => {
      const next = (): void => {
        try {
          if (isOver()) resolve(true);
          else if (this.#nextAt() > untilMs) resolve(false);
          else {
            this.#runNext();
            if (this.#tasksRun % TASKS_BETWEEN_TURNS === 0) setImmediate(next);
            else whenSettled(next);
          }
        } catch (error) {
          reject(error);
        }
      };
      next();
    });
    if (!wasOver) this.#moveTo(Math.max(this.#nowMs, untilMs));
    return wasOver;
  }

  #runNext(): void {
    const task = this.#pop();
    if (task === undefined) throw new Error(`at ${this.#nowMs} ms nothing is left to happen`);
    if (task.isCancelled) return;
    this.#moveTo(task.at);
    this.#tasksAtInstant++;
    this.#tasksRun++;
    if (task.setBy !== undefined) this.#trace.push(task.setBy);
    if (this.#tasksAtInstant > TASKS_AT_ONE_INSTANT_MAX) throw this.#circle();
    task.run();
  }

  /** When the next task is due, or Infinity. */
  #nextAt(): number {
    while (this.#tasks[0]?.isCancelled === true) this.#pop();
    return this.#tasks[0]?.at ?? Infinity;
  }

  #moveTo(ms: number): void {
    if (ms === this.#nowMs) return;
    this.#nowMs = ms;
    this.#tasksAtInstant = 0;
    this.#trace.length = 0;
  }

  #isSuspicious(): boolean {
    return this.#tasksAtInstant > TASKS_AT_ONE_INSTANT_MAX - TRACE_LENGTH;
  }

  #circle(): Error {
    return new Error(
      `over ${TASKS_AT_ONE_INSTANT_MAX} tasks ran at ${this.#nowMs} ms. The last were\n` +
        this.#trace.join('\n'),
    );
  }

  #push(task: Task): void {
    const tasks = this.#tasks;
    let place = tasks.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = tasks[parent];
      if (above === undefined || isBefore(above, task)) break;
      tasks[place] = above;
      place = parent;
    }
    tasks[place] = task;
  }

  #pop(): Task | undefined {
    const tasks = this.#tasks;
    const [first] = tasks;
    const last = tasks.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let place = 0;
    for (;;) {
      const left = 2 * place + 1;
      const right = tasks[left + 1];
      let child = tasks[left];
      let childPlace = left;
      if (child === undefined) break;
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        childPlace = left + 1;
      }
      if (isBefore(last, child)) break;
      tasks[place] = child;
      place = childPlace;
    }
    tasks[place] = last;
    return first;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at === b.at ? a.sequence < b.sequence : a.at < b.at;
}

/** Resolves when no promise has anything left to do. */
function settle(): Promise<void> {
  return new Promise(whenSettled);
}

/**
 * Calls `next` when no promise has anything left to do. What is set by `nextTick` from within a
 * microtask runs only after all microtasks, and those that they queue in turn; unlike an immediate
 * it asks no kernel for events. This is sound as long as nothing in the world does real I/O or uses
 * `nextTick` itself, and as long as disks and networks answer through a task: a circle of promises
 * alone would never come to an end.
 */
function whenSettled(next: () => void): void {
  void Promise.resolve().then(() => process.nextTick(next));
}
