import { capabilities } from '../baseline/capabilities.ts';
import { listText } from '../../../util/list-text.ts';
import { isWindows, ofContainers, podCheck } from '../pod-check.ts';

export const droppedCapabilities = podCheck(
  {
    id: 'pod-capabilities-kept',
    title: 'Every container drops all capabilities',
    severity: 'low',
    controls: ['PSS Restricted', 'CIS 5.2.10', 'C-0046', 'C-0201'],
    why: "The runtime's default capabilities, such as raw sockets and changes of owner, are seldom needed and often abused.",
    remedy:
      'Set securityContext.capabilities.drop: [ALL], and add NET_BIND_SERVICE if the container listens below port 1024.',
  },
  ({ spec }) =>
    isWindows(spec)
      ? []
      : ofContainers(spec, ({ securityContext }) => {
          const { add = [], drop = [] } = securityContext?.capabilities ?? {};
          const added = add.filter((name) => name !== 'NET_BIND_SERVICE');
          return [
            ...(drop.includes('ALL')
              ? []
              : [
                  {
                    path: 'securityContext.capabilities.drop',
                    message: 'the container keeps capabilities: ALL is not dropped',
                  },
                ]),
            ...(added.length === 0
              ? []
              : [
                  {
                    path: 'securityContext.capabilities.add',
                    message: `the container adds ${listText(added)}`,
                  },
                ]),
          ];
        }),
  capabilities,
);
