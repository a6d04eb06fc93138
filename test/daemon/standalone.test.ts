/** `--standalone` that is interrupted, by a kill at any of its steps, happens once all the same. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { forceNewCluster } from '../../src/io/daemon/standalone.ts';
import { openStorage, type Storage } from '../../src/io/daemon/storage.ts';
import { realClock, realRandom } from '../../src/io/daemon/system-ports.ts';
import { forkAsSingleNode } from '../../src/io/node/epoch.ts';
import type { Log } from '../../src/log/log.ts';

const quiet = () => undefined;
const logger = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const nobody = { findReachableMember: () => Promise.resolve(null) };

/** The directory of a member that knows two others, which are lost. */
async function survivor(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'tocsin-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await opened(directory, async (storage) => {
    await storage.file.change({ founds: true });
    await logOf(storage, 'c');
    const others = ['b', 'c'].map((nodeId) => ({ nodeId, address: `${nodeId}:9094` }));
    await storage.file.change({ others });
  });
  return directory;
}

async function opened<T>(directory: string, use: (storage: Storage) => Promise<T>): Promise<T> {
  const modules = { clock: realClock, random: realRandom, logger };
  const result = await openStorage(directory, modules);
  if (!result.ok) throw new Error(result.message);
  try {
    return await use(result.storage);
  } finally {
    await result.storage.close();
  }
}

async function logOf(storage: Storage, clusterId: string): Promise<Log> {
  const result = await storage.openData(clusterId);
  if (!result.ok) throw new Error(result.message);
  return result.data.log;
}

/** Starts with the flag; gives the cluster and the length of the log. */
function startAlone(directory: string): Promise<readonly [string | null, number, boolean]> {
  return opened(directory, async (storage) => {
    await forceNewCluster(storage, nobody, { clock: realClock, logger });
    const { clusterId } = storage;
    const log = await logOf(storage, clusterId ?? '');
    return [clusterId, log.lastIndex, storage.file.facts.isStandalone] as const;
  });
}

/** The steps of a recovery that is killed, each with what had been done before. */
const KILLED: readonly (readonly [after: string, step: (log: Log) => Promise<unknown>])[] = [
  ['nothing', () => Promise.resolve()],
  ['the log has its new epoch', (log) => log.beginEpoch('c~1')],
  ['the log has its new configuration', (log) => forkAsSingleNode(log, 'c')],
];

describe('a --standalone that is killed', () => {
  test.each(KILLED)('after %s ends as epoch 1 at the next start', async (_, step) => {
    const directory = await survivor();
    await opened(directory, async (storage) => {
      const log = await logOf(storage, 'c');
      await step(log);
    });
    // Opening an interrupted recovery changes nothing, however often it is interrupted again.
    await opened(directory, (storage) => Promise.resolve(storage.isRecovering));

    const [clusterId, lastIndex, isStandalone] = await startAlone(directory);
    expect([clusterId, isStandalone]).toEqual(['c~1', true]);
    expect(await startAlone(directory)).toEqual(['c~1', lastIndex, true]);
  });

  test('is the next epoch when the flag is given again after it was taken away', async () => {
    const directory = await survivor();
    await startAlone(directory);
    await opened(directory, async ({ file }) => {
      expect(file.facts).toMatchObject({ clusterId: 'c~1', others: [] });
      const others = [{ nodeId: 'd', address: 'd:9094' }];
      await file.change({ isStandalone: false, others });
    });

    expect(await startAlone(directory)).toEqual(['c~2', 3, true]);
  });
});
