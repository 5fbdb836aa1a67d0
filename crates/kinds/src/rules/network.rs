//! Lines for Services, Ingresses and network policies.

use super::Line;
use super::Rule::{
    AtMost, Differing, Exactly, Fields, Filled, Fits, Is, IsOrEmpty, Labels, OneField, OneOf, Port, PortOrEmpty, Within,
};
use super::pods::PROTOCOLS;
use super::{forms, kinds, relations};

pub(super) const SERVICE: &[Line] = &[
    ("metadata/name", Is(forms::LABEL)),
    ("spec/type", OneOf(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
    ("spec/sessionAffinity", OneOf(&["None", "ClientIP"])),
    ("spec", Fits(relations::affinity_of_clients)),
    ("spec/internalTrafficPolicy", Exactly(&["Cluster", "Local"])),
    ("spec/externalTrafficPolicy", OneOf(&["Cluster", "Local"])),
    ("spec/trafficDistribution", Exactly(&["PreferClose", "PreferSameZone", "PreferSameNode"])),
    ("spec/ipFamilyPolicy", Exactly(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
    ("spec/ipFamilies", AtMost(2)),
    ("spec/ipFamilies/*", Exactly(&["IPv4", "IPv6"])),
    ("spec/externalIPs/*", Is(forms::ADDRESS)),
    ("spec/selector", Labels),
    ("spec/healthCheckNodePort", Within(0, 65535)),
    ("spec/ports/*/port", Within(1, 65535)),
    ("spec/ports/*/nodePort", Within(0, 65535)),
    ("spec/ports/*/targetPort", PortOrEmpty),
    ("spec/ports/*/protocol", OneOf(PROTOCOLS)),
    ("spec/ports/*/name", IsOrEmpty(forms::LABEL)),
    ("spec/ports/*/appProtocol", Is(forms::LABEL_KEY)),
    ("spec/ports", Differing(&[("port", ""), ("protocol", "TCP")])),
    ("spec/ports", Fits(relations::service_port_names)),
    ("spec", Fits(relations::service)),
];

pub(super) const INGRESS: &[Line] = &[
    ("spec", Fits(relations::ingress)),
    ("spec/ingressClassName", Is(forms::SUBDOMAIN)),
    ("spec/defaultBackend", Fields(BACKEND)),
    ("spec/rules/*/host", IsOrEmpty(forms::HOST)),
    ("spec/rules/*/http/paths", Filled),
    ("spec/rules/*/http/paths/*/pathType", Exactly(&["Exact", "Prefix", "ImplementationSpecific"])),
    ("spec/rules/*/http/paths/*/path", IsOrEmpty(forms::ABSOLUTE)),
    ("spec/rules/*/http/paths/*", Fits(relations::ingress_path)),
    ("spec/rules/*/http/paths/*/backend", Fields(BACKEND)),
    ("spec/tls/*/secretName", IsOrEmpty(forms::SUBDOMAIN)),
];

const BACKEND: &[Line] = &[
    ("", OneField(&["service", "resource"])),
    ("service/name", Is(forms::LABEL)),
    ("service/port/name", IsOrEmpty(forms::PORT_NAME)),
    ("service/port/number", Within(0, 65535)),
    ("service", Fits(relations::backend_port)),
];

pub(super) const NETWORK_POLICY: &[Line] = &[
    ("spec/podSelector", Fields(kinds::SELECTOR)),
    ("spec/policyTypes", AtMost(2)),
    ("spec/policyTypes/*", Exactly(&["Ingress", "Egress"])),
    ("spec/ingress/*/ports/*", Fields(POLICY_PORT)),
    ("spec/ingress/*/from/*", Fields(PEER)),
    ("spec/egress/*/ports/*", Fields(POLICY_PORT)),
    ("spec/egress/*/to/*", Fields(PEER)),
];

const POLICY_PORT: &[Line] = &[
    ("protocol", Exactly(PROTOCOLS)),
    ("port", Port),
    ("endPort", Within(1, 65535)),
    ("", Fits(relations::port_range)),
];

const PEER: &[Line] = &[
    ("podSelector", Fields(kinds::SELECTOR)),
    ("namespaceSelector", Fields(kinds::SELECTOR)),
    ("ipBlock/cidr", Is(forms::NETWORK)),
    ("ipBlock/except/*", Is(forms::NETWORK)),
    ("", Fits(relations::peer)),
];

pub(super) const ENDPOINT_SLICE: &[Line] = &[
    ("addressType", Exactly(&["IPv4", "IPv6", "FQDN"])),
    ("ports/*/protocol", Exactly(PROTOCOLS)),
    ("endpoints/*/addresses", Filled),
];
