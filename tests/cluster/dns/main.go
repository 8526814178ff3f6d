// Command dns is CoreDNS with the few plugins that a test cluster needs: it answers for the names of
// services and pods, and refuses all others, as there is no other server to ask.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	// The order in which a request passes them, as in CoreDNS's own plugin.cfg.
	dnsserver.Directives = []string{"bind", "errors", "kubernetes"}
	coremain.Run()
}
