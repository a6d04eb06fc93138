/**
 * One line for any input, effect or message: for traces, failures and the scenario files.
 *
 * Entries read `term/index`; a range of them shows how far it goes and its last term.
 */

import type {
  ConfState,
  Effect,
  Entry,
  HardState,
  Input,
  Message,
  Persist,
  SnapshotPosition,
} from './types.ts';

export function describeMessage(message: Message): string {
  const { from, to, term } = message;
  return `${from}→${to} ${message.type} term ${term}${messageDetail(message)}`;
}

export function describeInput(input: Input): string {
  switch (input.type) {
    case 'tick':
    case 'stalled':
    case 'recovered':
      return input.type;
    case 'rolledBack':
      return `rolledBack from term ${input.term}`;
    case 'message':
      return describeMessage(input.message);
    case 'propose':
      return `propose ref ${input.ref}, ${input.data.length} bytes`;
    case 'readIndex':
      return `readIndex ref ${input.ref}`;
    case 'transfer':
      return `transfer ref ${input.ref} to ${input.to ?? 'anyone'}`;
    case 'confChange': {
      const changes = input.changes.map(({ op, node }) => `${op} ${node}`).join(', ');
      return `confChange ref ${input.ref} on ${input.expectedIndex}: ${changes || 'leave joint'}`;
    }
    case 'persisted':
      return `persisted #${input.id}`;
    case 'applied':
    case 'snapshotTaken':
    case 'compacted':
      return `${input.type} ${input.index}`;
    case 'entriesRead':
      return `entriesRead #${input.id} ${describeEntries(input.entries)}`;
    case 'snapshotProgress':
      return `snapshotProgress ${input.index} to ${input.to}: ${input.done} of ${input.total}`;
    case 'snapshotSent':
      return `snapshotSent ${input.index} to ${input.to}: ${input.ok ? 'ok' : 'broke off'}`;
    case 'unreachable':
      return `unreachable ${input.to}`;
  }
}

/** `send` gives one line for each message. */
export function describeEffect(effect: Effect): string {
  switch (effect.type) {
    case 'persist':
      return describePersist(effect);
    case 'send':
      return effect.messages.map((message) => `send ${describeMessage(message)}`).join('\n');
    case 'apply':
      return `apply ${describeEntries(effect.entries)}`;
    case 'installSnapshot':
      return `installSnapshot ${describeSnapshot(effect.snapshot)}`;
    case 'readEntries':
      return `readEntries #${effect.id} ${effect.from}..${effect.to} up to ${effect.bytesMax} bytes`;
    case 'sendSnapshot':
      return `sendSnapshot ${describeSnapshot(effect.snapshot)} to ${effect.to} from part ${effect.resumeAt}`;
    case 'cancelSnapshot':
      return `cancelSnapshot to ${effect.to}`;
    case 'readReady':
      return `readReady ref ${effect.ref} at ${effect.index}`;
    case 'roleChanged':
      return `roleChanged ${effect.role} term ${effect.term} leader ${effect.leader ?? 'unknown'}`;
    case 'configChanged':
      return `configChanged ${effect.index}: ${describeConfig(effect.confState)}`;
    case 'accepted':
    case 'indeterminate':
      return `${effect.type} ref ${effect.ref} as ${effect.term}/${effect.index}`;
    case 'rejected': {
      const detail = effect.detail === undefined ? '' : `: ${effect.detail}`;
      return `rejected ref ${effect.ref} ${effect.reason}${detail} (leader ${effect.leader ?? 'unknown'})`;
    }
    case 'transferEnded':
      return `transferEnded ref ${effect.ref} ${effect.moved ? 'moved' : 'not moved'}`;
    case 'healed':
      return 'healed';
    case 'refused':
      return `refused (${effect.kind}): ${effect.problem}`;
  }
}

export function describeConfig(config: ConfState): string {
  const lists = [
    ['voters', config.voters],
    ['outgoing', config.votersOutgoing],
    ['learners', config.learners],
    ['learners next', config.learnersNext],
    ['promote', config.promote],
  ] as const;
  const named = lists.filter(([name, nodes]) => name === 'voters' || nodes.length > 0);
  const text = named.map(([name, nodes]) => `${name} ${nodes.join(' ') || 'none'}`).join(', ');
  return config.autoLeave ? `${text}, leaves by itself` : text;
}

export function describeEntries(entries: readonly Entry[]): string {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return 'no entries';
  const types = [...new Set(entries.map((entry) => entry.type))].join('+');
  if (first === last) return `${types} ${describeEntry(first)}`;
  return `${types} ${describeEntry(first)}..${describeEntry(last)}`;
}

function describeEntry({ term, index }: Entry): string {
  return `${term}/${index}`;
}

function messageDetail(message: Message): string {
  switch (message.type) {
    case 'preVote':
      return ` last ${message.lastTerm}/${message.lastIndex}`;
    case 'vote':
      return ` last ${message.lastTerm}/${message.lastIndex}${message.transfer ? ' by transfer' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return message.granted ? ' granted' : ' refused';
    case 'append': {
      const { prevTerm, prevIndex, entries, commit } = message;
      return ` after ${prevTerm}/${prevIndex} ${describeEntries(entries)} commit ${commit}`;
    }
    case 'appendReply': {
      const { ok, index, hintTerm, hintIndex, lost } = message;
      if (ok) return ` holds ${index}`;
      return ` refuses ${index} try ${hintTerm}/${hintIndex}${lost ? ' lost entries' : ''}`;
    }
    case 'heartbeat':
      return ` commit ${message.commit} round ${message.round}`;
    case 'heartbeatReply':
      return ` round ${message.round}`;
    case 'snapshot':
      return ` ${describeSnapshot(message.snapshot)}`;
    case 'readIndex':
      // The number of the read is drawn at random, so a line that is compared leaves it out.
      return '';
    case 'readIndexReply':
      return ` index ${message.index}`;
    case 'timeoutNow':
      return '';
  }
}

function describePersist({
  id,
  hardState,
  truncateFrom,
  entries,
  snapshot,
  sync,
}: Persist): string {
  const parts = [
    snapshot === undefined ? '' : `restart after ${describeSnapshot(snapshot)}`,
    truncateFrom === undefined ? '' : `truncate from ${truncateFrom}`,
    entries.length === 0 ? '' : describeEntries(entries),
    hardState === undefined ? '' : describeHardState(hardState),
    sync ? '' : 'unsynced',
  ];
  return `persist #${id} ${parts.filter((part) => part !== '').join(', ')}`;
}

function describeHardState({ term, vote, commit }: HardState): string {
  return `term ${term} vote ${vote ?? 'none'} commit ${commit}`;
}

function describeSnapshot({ index, term }: SnapshotPosition): string {
  return `snapshot ${term}/${index}`;
}
