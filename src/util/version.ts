/** The version of both programs: that of package.json, which every other place is held to by a test. */
import packageJson from '../../package.json' with { type: 'json' };

export const { version } = packageJson;
