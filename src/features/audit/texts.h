#pragma once

// What is said of audit events and Kubernetes Events: message ids and their sentences in both
// languages. "alice deleted the Secret prod/db".
//
// An audit event's message is "audit.<what was done>", with ".denied" (not allowed) or ".failed"
// behind it; its arguments are user, what ("Secret prod/db"), resource, ns, uri, command, reason.
// A Kubernetes Event's is "kubernetes.<Reason>" for reasons that are known, else
// "kubernetes.event", with what, reason, note (the text of the component, as it wrote it).

#include <string>
#include <string_view>

#include "model/catalog.h"

namespace bulwark::audit {

void AddTexts(Catalog& catalog);

// The message of a request that is for a resource, in a namespace or not.
std::string AuditMessageId(std::string_view verb, std::string_view resource,
                           std::string_view subresource, bool ns, std::string_view outcome);
// Of a request for a path.
std::string PathMessageId(std::string_view outcome);
// Of a stream (exec, attach, port-forward) that ended.
inline constexpr std::string_view kStreamEnded = "audit.stream-ended";

std::string KubernetesMessageId(std::string_view reason);

// "secrets" → "Secret"; the plural itself where the kind is not Kubernetes' own.
std::string_view KindOf(std::string_view plural);

}  // namespace bulwark::audit
