/** Istio's own programs, built once from its Go module, as judges. */
import type { GoTool } from './tooling/go-tool.ts';

export const ISTIOD: GoTool = {
  name: 'pilot-discovery',
  module: 'istio',
  package: 'istio.io/istio/pilot/cmd/pilot-discovery',
  title: 'istiod',
  usualTime: 'about eight minutes of CPU time',
};

export const ISTIOCTL: GoTool = {
  name: 'istioctl',
  module: 'istio',
  package: 'istio.io/istio/istioctl/cmd/istioctl',
  title: 'istioctl',
  usualTime: 'about a minute after istiod',
};
