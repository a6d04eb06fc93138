/** Which proxy a request takes, by the rules of the usual environment variables. */

export interface ProxySettings {
  /** For all requests; null takes what the environment names. */
  readonly url: string | null;
  /**
   * `HOST`, `.DOMAIN` or `HOST:PORT`, separated by commas; `*` is every host. Null takes what the
   * environment names.
   */
  readonly noProxy: string | null;
  /** For the proxy alone. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** The proxy for a URL, or null. Throws a TypeError when its address is no URL. */
export function proxyFor(url: URL, settings: ProxySettings | null): URL | null {
  if (settings === null || isExcepted(url, settings.noProxy ?? environment('no_proxy')))
    return null;
  const address = settings.url ?? environmentProxy(url.protocol);
  return address === '' ? null : new URL(address);
}

/** All addresses that may be asked; they may hold passwords. */
export function proxyUrls({ url }: ProxySettings): readonly string[] {
  return url === null ? ['http:', 'https:'].map(environmentProxy) : [url];
}

function environmentProxy(protocol: string): string {
  const http = environment('http_proxy');
  return protocol === 'https:' ? environment('https_proxy') || http : http;
}

function environment(name: string): string {
  return process.env[name] ?? process.env[name.toUpperCase()] ?? '';
}

function isExcepted(url: URL, noProxy: string): boolean {
  const host = url.hostname.toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy.split(/[,\s]+/).some((entry) => {
    if (entry === '') return false;
    if (entry === '*') return true;
    const [, name = entry, itsPort = port] = /^(.+):(\d+)$/.exec(entry) ?? [];
    const suffix = name.replace(/^\*?\./, '').toLowerCase();
    return itsPort === port && (host === suffix || host.endsWith(`.${suffix}`));
  });
}
