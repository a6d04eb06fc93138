/**
 * Bugs of the node around the core: of its loop, its log, its sender, its fold. Only whole clusters
 * can notice most of them, and whole clusters must.
 */

import type { Edit } from '../../support/broken-copy.ts';

export interface Mutant {
  readonly name: string;
  readonly edits: readonly (Edit & { readonly file: string })[];
}

const ANNOUNCEMENT = 'src/io/node/announcement.ts';
const DRIVER = 'src/io/node/raft-driver.ts';
const LEADERSHIP = 'src/io/node/leadership.ts';
const MACHINE = 'src/io/node/state-machine.ts';
const PROPOSER = 'src/io/node/proposer.ts';
const SENDER = 'src/io/node/sender.ts';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'leadership is confirmed before the connection is made',
    edits: [
      {
        file: 'src/io/sim/receivers.ts',
        was: 'const connectMs = this.#options.connectMs?.() ?? 0;',
        becomes: `const connectMs = this.#options.connectMs?.() ?? 0;
    const early = (await delivery.confirm()).isFresh();`,
      },
      {
        file: 'src/io/sim/receivers.ts',
        was: 'const confirmation = await delivery.confirm();',
        becomes: 'const confirmation = { isFresh: () => early };',
      },
    ],
  },
  {
    name: 'a confirmation of leadership does not grow old',
    edits: [
      {
        file: LEADERSHIP,
        was: 'ageMs() < CONFIRMATION_TICKS * this.#options.tickMs;',
        becomes: 'ageMs() >= 0;',
      },
    ],
  },
  {
    name: 'what was appended counts as durable before its sync',
    edits: [
      {
        file: DRIVER,
        was: 'this.#lastPersist = log.append(append).then(',
        becomes:
          'void log.append(append).catch(() => undefined); this.#lastPersist = Promise.resolve().then(',
      },
    ],
  },
  {
    name: 'the log acknowledges without a sync',
    edits: [{ file: 'src/log/active-segment.ts', was: 'await this.#file.sync();', becomes: '' }],
  },
  {
    name: 'term and vote are left out of an append',
    edits: [{ file: DRIVER, was: '...(hardState === null ? {} : { hardState }),', becomes: '' }],
  },
  {
    name: 'a client is answered when its entry is accepted, not when it is applied',
    edits: [
      {
        file: PROPOSER,
        was: 'if (pending !== undefined) this.#byIndex.set(index, { ...pending, term });',
        becomes: `if (pending !== undefined) this.#byIndex.set(index, { ...pending, term });
          const early = { ok: true, index, at: pending?.at };
          if (pending?.request) this.#requests.settle(pending.request, early);`,
      },
    ],
  },
  {
    name: 'a client gets a success when leadership was lost',
    edits: [
      {
        file: PROPOSER,
        was: `this.#close(pending, { type: 'unknown', message });`,
        becomes: `this.#close(pending, { type: 'applied', index });`,
      },
    ],
  },
  {
    name: 'the session of a request is not remembered',
    edits: [
      {
        file: 'src/projections/requests.ts',
        was: '  return isNew;\n',
        becomes: '  return true;\n',
      },
    ],
  },
  {
    name: 'a request of another member goes into the log without its name',
    edits: [
      {
        file: PROPOSER,
        was: `commands.push({ kind: 'request', node: from, incarnation, sequence, settledBelow });`,
        becomes: 'void [from, incarnation, sequence, settledBelow];',
      },
    ],
  },
  {
    name: 'a notification is sent when its attempt is decided, before it is committed',
    edits: [
      {
        file: 'src/io/node/decider.ts',
        was: 'const result = await propose([command]);',
        becomes: `if (command.kind === 'attempt') sender.start(command);\nconst result = await propose([command]);`,
      },
      {
        file: SENDER,
        was: 'if (notification === undefined || !this.#isOpen(id, attempt.try)) return;',
        becomes:
          'if (notification === undefined || this.#underWay.has(attemptKey(id, attempt.try))) return;',
      },
      {
        file: SENDER,
        was: 'try: notification.tries,\n      idempotencyKey',
        becomes: 'try: notification.tries + 1,\n      idempotencyKey',
      },
      {
        file: SENDER,
        was: 'isFresh: () => confirmed.isFresh() && this.#isOpen(id, notification.tries)',
        becomes: 'isFresh: () => confirmed.isFresh()',
      },
    ],
  },
  {
    name: 'every attempt of a notification has a key of its own',
    edits: [
      {
        file: SENDER,
        was: '${keyOf(id, notification)}`,',
        becomes: '${keyOf(id, notification)}/${notification.tries}`,',
      },
    ],
  },
  {
    name: 'a possible duplicate is not marked as one',
    edits: [
      {
        file: 'src/projections/notifications.ts',
        was: 'tryAgain(tx, id, { ...tried, uncertain: true }, command.result);',
        becomes: 'tryAgain(tx, id, tried, command.result);',
      },
    ],
  },
  {
    name: 'a new leader does not end the attempts of its predecessor',
    edits: [{ file: LEADERSHIP, was: '      ...this.#modules.sender.orphans(),\n', becomes: '' }],
  },
  {
    name: 'the state of a snapshot that arrived is not taken over',
    edits: [
      {
        file: MACHINE,
        was: '    this.#projection = new Projection(state, this.#build);\n    this.#appliedIndex = index;',
        becomes: '    void state;\n    this.#appliedIndex = index;',
      },
    ],
  },
  {
    name: 'the fold reads the clock of its own machine',
    edits: [
      {
        file: MACHINE,
        was: 'this.#projection.fold(entry.index, decoded);',
        becomes:
          'this.#projection.fold(entry.index, { ...decoded, at: this.#modules.clock.now() });',
      },
    ],
  },
  {
    name: 'time in which nothing listened counts towards `for`',
    edits: [
      {
        file: 'src/projections/series.ts',
        was: 'const dueAt = firesAt(tx.facts, breach);',
        becomes: 'const dueAt = breach.firesAt; void firesAt;',
      },
    ],
  },
  {
    name: 'the wall clock of a leader goes into the log as it is',
    edits: [
      {
        file: 'src/io/node/log-clock.ts',
        was: 'this.#time += elapsed;',
        becomes: 'this.#time = Math.max(this.#time + elapsed, this.#modules.clock.now());',
      },
    ],
  },
  {
    name: 'a leader follows its own clock whatever the clocks of the others show',
    edits: [
      {
        file: 'src/io/node/log-clock.ts',
        was: 'return Math.min(Math.max(before, own + low), own + high);',
        becomes: 'void [before, low, high]; return own;',
      },
      { file: 'src/io/node/clock-check.ts', was: 'far.length > voters / 2', becomes: 'voters < 0' },
    ],
  },
  {
    name: 'messages that carry more than two entries are never sent',
    edits: [
      {
        file: 'src/io/node/peers.ts',
        was: 'if (isBulk(message)) {',
        becomes: `if (message.type === 'append' && message.entries.length > 2) continue;\nif (isBulk(message)) {`,
      },
    ],
  },
  {
    name: 'a node that was leader once does not start serving a second time',
    edits: [
      {
        file: LEADERSHIP,
        was: 'if (this.#leadingTerm === this.#term) return;\n    this.#leadingTerm',
        becomes: 'if (this.#leadingTerm !== 0) return;\n    this.#leadingTerm',
      },
    ],
  },
  {
    name: 'a member ignores what others remember of it',
    edits: [
      {
        file: 'src/io/node/rollback-check.ts',
        was: 'if (isBefore(this.#options.start, place))',
        becomes: 'if (isBefore(place, place))',
      },
    ],
  },
  {
    name: 'a member votes before others have reported what they remember of it',
    edits: [
      {
        file: 'src/io/node/rollback-check.ts',
        was: 'this.#ticks >= WAIT_TICKS ||',
        becomes: 'this.#ticks < WAIT_TICKS ||',
      },
      {
        file: 'src/io/node/rollback-check.ts',
        was: 'return this.#isOver || !isOfElection(type);',
        becomes: 'return true || isOfElection(type);',
      },
      {
        file: 'src/io/node/rollback-check.ts',
        was: '    this.#ask(from);\n    return this.#isOver;',
        becomes: '    return true;',
      },
      {
        file: 'src/io/node/rollback-check.ts',
        was: 'for (const node of others()) this.#ask(node);',
        becomes: 'if (this.#ticks % 30 === 29) for (const node of others()) this.#ask(node);',
      },
    ],
  },
  {
    name: 'an uncommitted place of a follower is remembered as one that it holds',
    edits: [
      {
        file: 'src/io/node/held-places.ts',
        was: "type === 'appendReply' && message.ok ? message.index : 0",
        becomes: "type === 'appendReply' ? message.index : 0",
      },
    ],
  },
  {
    name: 'a log is not compared with the durable mark beside it',
    edits: [
      {
        file: 'src/log/recovery.ts',
        was: 'const mark = laterPlace(await readMark(modules), witness.mark);',
        becomes: 'const mark = laterPlace(await readMark(modules), undefined);',
      },
    ],
  },
  {
    name: 'the vote record is not written',
    edits: [
      {
        file: 'src/log/segmented-log.ts',
        was: 'await this.#writeVoteRecord({ term, vote });\n    this.#vote',
        becomes: 'this.#vote',
      },
    ],
  },
  {
    name: 'a torn tail is taken for damage',
    edits: [
      {
        file: 'src/log/recovery.ts',
        was: 'const isTorn = !wasSynced && ',
        becomes: 'const isTorn = wasSynced && ',
      },
    ],
  },
  {
    name: 'a new member never announces itself',
    edits: [
      {
        file: ANNOUNCEMENT,
        was: 'if (this.#isAnnouncing ||',
        becomes: 'if (!this.#isAnnouncing ||',
      },
    ],
  },
  {
    name: 'a build proposes the new rules of the fold as soon as it has them',
    edits: [
      {
        file: 'src/io/node/membership.ts',
        was: 'Math.min(this.#build.reducersWanted, ...runnable)',
        becomes: 'Math.min(this.#build.reducersMax, ...runnable)',
      },
    ],
  },
  {
    name: 'a member that was upgraded does not announce what it can fold now',
    edits: [
      {
        file: ANNOUNCEMENT,
        was: 'reducersMax: this.#modules.build.reducersMax,',
        becomes: 'reducersMax: 1,',
      },
    ],
  },
  {
    name: 'the actor is written before every member can read it',
    edits: [
      {
        file: 'src/io/node/admin-records.ts',
        was: 'if (!recordsActors(state)) return null;',
        becomes: '',
      },
    ],
  },
  {
    name: 'a log that begins after a snapshot is folded without it',
    edits: [
      {
        file: 'src/io/node/restore.ts',
        was: 'return log.firstIndex <= 1 ? null : noBase(log, problems);',
        becomes: 'return log.firstIndex < 0 ? noBase(log, problems) : null;',
      },
    ],
  },
  {
    name: 'a snapshot that came from the leader is put over a newer log at the next start',
    edits: [
      {
        file: 'src/io/node/restore.ts',
        was: 'if (index <= log.hardState.commit || (chain !== undefined && hex(chain) === manifest.chain))',
        becomes: 'if (index < 0 && chain !== undefined)',
      },
    ],
  },
  {
    name: 'a frame is sent to a member whose build does not read it',
    edits: [
      {
        file: 'src/io/node/fitness-watch.ts',
        was: 'return (this.#modules.framesLevel(node) ?? 0) >= FRAMES_LEVEL;',
        becomes: 'return (this.#modules.framesLevel(node) ?? 0) >= 0 && FRAMES_LEVEL > 0;',
      },
    ],
  },
];
