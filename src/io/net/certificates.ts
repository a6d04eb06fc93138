/**
 * Mutual TLS between members: TLS 1.3, a certificate on both sides, both from one CA.
 *
 * Promise: a certificate must name its member, as `DNS:<name>` or `URI:tocsin:<node id>`, and is
 * compared with what the member says of itself. Whoever holds any certificate of that CA belongs to
 * the cluster: Raft does not guard against a member that lies.
 */

import { X509Certificate } from 'node:crypto';
import { connect, createSecureContext, createServer, TLSSocket, type Server } from 'node:tls';
import type { Socket } from 'node:net';
import type { HostPort } from './addresses.ts';

/** Contents of PEM files. */
export interface TlsOptions {
  readonly certificate: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly ca: string | Uint8Array;
}

/** Who somebody says that it is. */
export interface Named {
  readonly nodeId: string;
  readonly name: string;
}

export interface TlsSide {
  /** Dials; `secureConnect` comes only when the certificate there is from our CA. */
  dial(to: HostPort): Socket;
  /** A server that listens nowhere: sockets are given to it by its event `connection`. */
  createServer(handshakeMs: number): Server;
}

/** Throws with a sentence when the files do not fit together, or do not name this node. */
export function createTlsSide(options: TlsOptions, self: Named): TlsSide {
  const files = {
    cert: Buffer.from(options.certificate),
    key: Buffer.from(options.key),
    ca: Buffer.from(options.ca),
    minVersion: 'TLSv1.3',
  } as const;
  const secureContext = checkedContext(files, self);
  return {
    // The host is no part of it: members move, and their certificates name them.
    dial: (to) => connect({ ...to, secureContext, checkServerIdentity: () => undefined }),
    createServer: (handshakeTimeout) =>
      createServer({
        ...files,
        handshakeTimeout,
        requestCert: true,
        // So that the other side can be told what is wrong: `certificateProblem` decides, on every
        // connection, before anything else is read from it.
        rejectUnauthorized: false,
      }),
  };
}

function checkedContext(
  files: Readonly<Record<'cert' | 'key' | 'ca', Buffer>> & { readonly minVersion: 'TLSv1.3' },
  self: Named,
) {
  try {
    const secureContext = createSecureContext(files);
    const { subjectAltName = '' } = new X509Certificate(files.cert);
    const problem = namesProblem(subjectAltName, self);
    if (problem !== null) throw new Error(problem);
    return secureContext;
  } catch (error) {
    throw new Error(`the TLS files of the peer port cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Why the other end of `socket` is not who it says that it is; null without TLS. */
export function certificateProblem(socket: Socket, named: Named): string | null {
  if (!(socket instanceof TLSSocket)) return null;
  // A resumed session of somebody without a certificate counts as authorized, so both are asked.
  const { subjectaltname } = socket.getPeerCertificate();
  if (subjectaltname === undefined) return `${personOf(named)} shows no certificate with a name`;
  if (!socket.authorized) {
    const reason = String(socket.authorizationError);
    return `the certificate of ${personOf(named)} is not good here (${reason}): the CA file of both members must hold the CA that signed it`;
  }
  return namesProblem(subjectaltname, named);
}

function namesProblem(subjectAltName: string, { nodeId, name }: Named): string | null {
  const wanted = [`DNS:${name.toLowerCase()}`, `URI:tocsin:${nodeId}`];
  const names = namesIn(subjectAltName).map((each) =>
    each.startsWith('DNS:') ? `DNS:${each.slice(4).toLowerCase()}` : each,
  );
  if (wanted.some((each) => names.includes(each))) return null;
  const held = names.join(', ') || 'nobody';
  return `the certificate of ${personOf({ nodeId, name })} names ${held}: its subjectAltName must hold ${wanted.join(' or ')}`;
}

/**
 * The entries of a subjectAltName as Node prints it. An entry with a comma or a quote in it stands
 * in quotes; cut at every comma, it could pretend to be several.
 */
export function namesIn(subjectAltName: string): string[] {
  const entries = subjectAltName.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return entries.map((entry) => entry.trim());
}

function personOf({ nodeId, name }: Named): string {
  return `node ${name} (${nodeId})`;
}
