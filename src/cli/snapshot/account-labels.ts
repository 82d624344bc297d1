/** Reads if the API server labels pods with their ServiceAccount, which peers by ServiceAccount select. */
import type { KubeObject } from '../../api/meta.ts';
import { ADMISSION_POLICIES, MUTATING_POLICIES } from '../../cluster-state/items.ts';
import { ApiError, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import { ACCOUNT_NAMES, notInstalled } from '../../policy/admission/accounts.ts';
import type { AccountFailure } from '../../policy/facts.ts';

/** Undefined if the policies that label pods are installed, and if that can't be told: then pods count as labelled. */
export async function accountLabelFailure(transport: Transport): Promise<AccountFailure | undefined> {
  const [label, guard] = await Promise.all([
    isInstalled(transport, MUTATING_POLICIES, ACCOUNT_NAMES.label),
    isInstalled(transport, ADMISSION_POLICIES, ACCOUNT_NAMES.guard),
  ]);
  if (label && guard) return undefined;
  const missing = label
    ? `ValidatingAdmissionPolicy ${ACCOUNT_NAMES.guard}`
    : `MutatingAdmissionPolicy ${ACCOUNT_NAMES.label}`;
  return notInstalled(missing);
}

async function isInstalled(transport: Transport, kind: ResourceKind, name: string): Promise<boolean> {
  try {
    await new Resource<KubeObject>(transport, kind).get(name);
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return !isNotFound(error);
  }
}
