/** True if node_modules holds the packages of the package-lock.json in `root`. */
export function areInstalled(root: string): boolean;
/** Runs `npm ci` in `root` if it is needed; false if npm failed. */
export function installIfNeeded(root: string): boolean;
