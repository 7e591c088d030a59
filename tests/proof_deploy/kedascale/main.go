// SPDX-License-Identifier: Apache-2.0

// Asks KEDA's own scaler once: a trigger as a ScaledObject has it comes as JSON on standard input, the answer goes to standard output.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

type trigger struct {
	Metadata, Auth map[string]string
}

func ask() error {
	var t trigger
	if err := json.NewDecoder(os.Stdin).Decode(&t); err != nil {
		return err
	}
	scaler, err := scalers.NewRabbitMQScaler(&scalersconfig.ScalerConfig{
		GlobalHTTPTimeout: 5 * time.Second, TriggerType: "rabbitmq", TriggerMetadata: t.Metadata, AuthParams: t.Auth})
	if err != nil {
		return err
	}
	metrics, active, err := scaler.GetMetricsAndActivity(context.Background(), "m")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"value": metrics[0].Value.AsApproximateFloat64(), "active": active,
		"target": scaler.GetMetricSpecForScaling(context.Background())[0].External.Target.AverageValue.Value()})
}

func main() {
	if err := ask(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
