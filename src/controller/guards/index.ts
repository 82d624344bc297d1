/** The guards of profiles, as the composition root loads them. */
export { GUARD_CARRIERS } from '../../engines/guards/carriers.ts';
export { Guards } from './guards.ts';
