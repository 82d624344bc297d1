/** Addresses to listen on, in the notation of Go's net package that controller-runtime's flags use. */

export interface BindAddress {
  /** Undefined: all interfaces. */
  readonly host: string | undefined;
  /** 0: any free port. */
  readonly port: number;
}

export const BIND_ADDRESS_FORMS = '":8080", "127.0.0.1:8080", "[::1]:8080", or "0" for off';

/** `off` for "0"; undefined if `text` is no address. */
export function parseBindAddress(text: string): BindAddress | 'off' | undefined {
  if (text === '0') return 'off';
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  return port > 65_535 ? undefined : { host: (match[1] ?? match[2]) || undefined, port };
}

/** Whether only processes of the same machine (or pod) can connect to it. */
export function isLoopback(text: string): boolean {
  const address = parseBindAddress(text);
  if (typeof address !== 'object') return false;
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(address.host ?? '');
}
