// Command vault is HashiCorp Vault in memory, for tests: its core and its HTTP API, without the plugins for clouds and
// databases. The environment has its address (VAULT_DEV_LISTEN_ADDRESS) and root token (VAULT_DEV_ROOT_TOKEN_ID).
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if err := serve(os.Getenv("VAULT_DEV_LISTEN_ADDRESS"), os.Getenv("VAULT_DEV_ROOT_TOKEN_ID")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, root string) error {
	core, err := unsealed(root)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr: address,
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Type: "tcp"},
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server.ListenAndServe()
}

// unsealed is a new core whose root token is the given one.
func unsealed(root string) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		NumRollbackWorkers: 1,
		BuiltinRegistry:    noPlugins{},
		LogicalBackends:    map[string]logical.Factory{"leased": vault.LeasedPassthroughBackendFactory},
	})
	if err != nil {
		return nil, err
	}
	ctx := namespace.RootContext(context.Background())
	made, err := core.Initialize(ctx, &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
	})
	if err != nil {
		return nil, err
	}
	opened, err := core.Unseal(made.SecretShares[0])
	if err != nil {
		return nil, err
	}
	if !opened {
		return nil, errors.New("the core stays sealed")
	}
	answer, err := core.HandleRequest(ctx, &logical.Request{
		Operation:   logical.UpdateOperation,
		ClientToken: made.RootToken,
		Path:        "auth/token/create",
		Data: map[string]interface{}{
			"id": root, "policies": []string{"root"}, "no_parent": true, "no_default_policy": true,
		},
	})
	if err == nil {
		err = answer.Error()
	}
	return core, err
}

// noPlugins is a registry without plugins: what is mounted here is given to the core itself.
type noPlugins struct{}

func (noPlugins) Contains(string, consts.PluginType) bool { return false }

func (noPlugins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}

func (noPlugins) Keys(consts.PluginType) []string { return nil }

func (noPlugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

func (noPlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
