/** Addresses to listen on, in the notation of Go's net package, as in the flags of controller-runtime. */

export interface BindAddress {
  /** Undefined for all interfaces. */
  readonly host: string | undefined;
  /** 0 for any free port. */
  readonly port: number;
}

export const BIND_ADDRESS_FORMS = '":8080", "127.0.0.1:8080", "[::1]:8080", or "0" for off';

const PORT = '[0-9]{1,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]';
/** The texts that parseBindAddress accepts, as a regular expression. */
export const BIND_ADDRESS_PATTERN = `^(0|(\\[([0-9a-fA-F:.]+)\\]|([^\\s:\\[\\]]*)):(${PORT}))$`;
const pattern = new RegExp(BIND_ADDRESS_PATTERN);

/** `off` for "0"; undefined if `text` is not an address. */
export function parseBindAddress(text: string): BindAddress | 'off' | undefined {
  if (text === '0') return 'off';
  const match = pattern.exec(text);
  if (match === null) return undefined;
  return { host: (match[3] ?? match[4]) || undefined, port: Number(match[5]) };
}

/** True if only processes of the same machine, or pod, can connect to the address. */
export function isLoopback(text: string): boolean {
  const address = parseBindAddress(text);
  if (typeof address !== 'object') return false;
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(address.host ?? '');
}
