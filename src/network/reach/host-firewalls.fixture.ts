/** What ufw loads by default ("deny incoming, deny routed"), shortened; "route allow" adds lines to ufw-user-forward. */
export const UFW = `*filter
:INPUT DROP
:FORWARD DROP
:ufw-before-forward -
:ufw-user-forward -
:ufw-after-logging-forward -
:ufw-before-input -
-A INPUT -j ufw-before-input
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-logging-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-after-logging-forward -m limit --limit 3/min --limit-burst 10 -m comment --comment "[UFW BLOCK]"
COMMIT
`;

/** As \`ufw route allow proto tcp to any port 80\` adds it. */
export const UFW_ROUTE_ALLOW = '-A ufw-user-forward -p tcp -m multiport --dports 80 -j ACCEPT';

/** firewalld's way of a packet through the host, shortened; with StrictForwardPorts=yes, translated ports are not let through. */
export function firewalld({ strict }: { strict: boolean }): string {
  const state = 'ct state { established, related } accept';
  const zones = 'jump filter_FORWARD_POLICIES\nreject with icmpx admin-prohibited';
  return `table inet firewalld {
chain filter_INPUT {
type filter hook input priority filter + 10; policy accept;
${state}
iifname "lo" accept
ct state invalid drop
tcp dport 22 accept
reject with icmpx admin-prohibited
}
chain filter_FORWARD {
type filter hook forward priority filter + 10; policy accept;
${state}
${strict ? '' : 'ct status dnat accept'}
iifname "lo" accept
ct state invalid drop
${zones}
}
chain filter_FORWARD_POLICIES {
ct state { new, untracked } oifname "eth9" accept
return
}
}
`;
}
