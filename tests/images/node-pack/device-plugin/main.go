// A device plugin that stands in for NVIDIA's on machines without a GPU: it offers one nvidia.com/gpu, and a container that gets it is
// given the device of this name from the specifications (CDI) that the container runtime reads.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	plugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	resource = "nvidia.com/gpu"
	socket   = "landfall-test.sock"
)

// version is set by the linker, as for every program of these recipes.
var version = "unknown"

type server struct {
	plugin.UnimplementedDevicePluginServer
	device string
}

func (s *server) GetDevicePluginOptions(context.Context, *plugin.Empty) (*plugin.DevicePluginOptions, error) {
	return &plugin.DevicePluginOptions{}, nil
}

func (s *server) ListAndWatch(_ *plugin.Empty, stream grpc.ServerStreamingServer[plugin.ListAndWatchResponse]) error {
	devices := []*plugin.Device{{ID: "0", Health: plugin.Healthy}}
	if err := stream.Send(&plugin.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (s *server) Allocate(_ context.Context, request *plugin.AllocateRequest) (*plugin.AllocateResponse, error) {
	response := &plugin.AllocateResponse{}
	for range request.ContainerRequests {
		devices := []*plugin.CDIDevice{{Name: resource + "=" + s.device}}
		answer := &plugin.ContainerAllocateResponse{CdiDevices: devices}
		response.ContainerResponses = append(response.ContainerResponses, answer)
	}
	return response, nil
}

func run(device string) error {
	path := filepath.Join(plugin.DevicePluginPath, socket)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	served := grpc.NewServer()
	plugin.RegisterDevicePluginServer(served, &server{device: device})
	ended := make(chan error, 1)
	go func() { ended <- served.Serve(listener) }()
	connection, err := grpc.NewClient("unix://"+plugin.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	limited, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	request := &plugin.RegisterRequest{Version: plugin.Version, Endpoint: socket, ResourceName: resource}
	if _, err := plugin.NewRegistrationClient(connection).Register(limited, request, grpc.WaitForReady(true)); err != nil {
		return err
	}
	return <-ended
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: device-plugin NAME, where NAME is that of a device; version", version)
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
