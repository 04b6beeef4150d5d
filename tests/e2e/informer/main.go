// Command informer keeps SharedIndexInformers of client-go over one namespace, as a controller does, and says what they
// say: a JSON object a line on stdout. tests/e2e/test_client_go.py changes the objects and judges the lines.
//
//	informer [--watch-list] [--protobuf] [--watch-seconds N] KUBECONFIG NAMESPACE RESOURCE.VERSION.GROUP…     ("pods.v1." for those without a group)
//
// Lines: {"of":"pods","what":…} with what:
//   - add, update, delete: what a handler is told, with name, version, and seen: "tombstone" for an object whose
//     removal was found by listing. initial: it came with the first list.
//   - synced: the handler has been told all of the first list.
//   - list, watch: a request with its resourceVersion; initialEvents: the watch asked to begin with what there is.
//   - event: what a watch brought (type, name, version; code of an ERROR; end: the bookmark that ends initial events).
//   - lost: the reflector's own account of why a watch ended in an error.
//   - store: all that the informer holds, as name → version. Said whenever a line comes on stdin.
//   - stale: the next watch goes on from version 1, as that of a client that slept. So it does after the line "stale".
//   - wrong: a rule of watches was broken: versions went backward. The exit code is 1 then.
//
// It ends when stdin does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	corev1 "k8s.io/api/core/v1"
)

type line map[string]any

var (
	printing sync.Mutex
	broken   bool
)

func say(of, what string, more line) {
	text := line{"of": of, "what": what}
	for key, value := range more {
		text[key] = value
	}
	printing.Lock()
	defer printing.Unlock()
	broken = broken || what == "wrong"
	_ = json.NewEncoder(os.Stdout).Encode(text)
}

// order holds versions to what clients rely on: on one watch they only grow, and a handler never sees an object go back.
type order struct {
	of, where string
	newest    map[string]uint64
}

func (o *order) see(key, version string) {
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		say(o.of, "wrong", line{"where": o.where, "name": key, "version": version, "because": err.Error()})
	} else if number < o.newest[key] {
		say(o.of, "wrong", line{"where": o.where, "name": key, "version": version, "because": fmt.Sprintf("after %d", o.newest[key])})
	} else {
		o.newest[key] = number
	}
}

// source is where one informer lists and watches: typed for pods, unstructured for all else.
type source struct {
	of      string
	example runtime.Object
	list    func(context.Context, metav1.ListOptions) (runtime.Object, error)
	watch   func(context.Context, metav1.ListOptions) (watch.Interface, error)
	seconds int64 // that a watch lasts; 0: what client-go asks for
	stale   atomic.Bool
}

func (s *source) listAndSay(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	say(s.of, "list", line{"version": options.ResourceVersion})
	return s.list(ctx, options)
}

func (s *source) watchAndSay(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	initial := options.SendInitialEvents != nil && *options.SendInitialEvents
	if s.seconds > 0 {
		options.TimeoutSeconds = &s.seconds
	}
	if !initial && s.stale.Swap(false) {
		options.ResourceVersion = "1"
		say(s.of, "stale", nil)
	}
	say(s.of, "watch", line{"version": options.ResourceVersion, "initialEvents": initial})
	stream, err := s.watch(ctx, options)
	if err != nil {
		return nil, err
	}
	seen := order{s.of, "watch", map[string]uint64{}}
	return watch.Filter(stream, func(event watch.Event) (watch.Event, bool) {
		more := line{"type": event.Type}
		if event.Type == watch.Error {
			if status, ok := apierrors.FromObject(event.Object).(apierrors.APIStatus); ok {
				more["code"] = status.Status().Code
			}
		} else if object, err := meta.Accessor(event.Object); err == nil {
			more["name"], more["version"] = object.GetName(), object.GetResourceVersion()
			if end := object.GetAnnotations()[metav1.InitialEventsAnnotationKey]; end == "true" {
				more["end"] = true
				initial = false
			}
			if !initial { // until then they come by name
				seen.see("", object.GetResourceVersion())
			}
		}
		say(s.of, "event", more)
		return event, true
	}), nil
}

func handler(of string) cache.ResourceEventHandlerDetailedFuncs {
	seen := order{of, "handler", map[string]uint64{}}
	tell := func(what string, object any, more line) {
		if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object, more["seen"] = tombstone.Obj, "tombstone"
		}
		read, err := meta.Accessor(object)
		if err != nil {
			say(of, "wrong", line{"where": "handler", "because": err.Error()})
			return
		}
		more["name"], more["version"] = read.GetName(), read.GetResourceVersion()
		if pod, ok := object.(*corev1.Pod); ok {
			more["phase"] = pod.Status.Phase
		}
		if what == "delete" {
			delete(seen.newest, read.GetName())
		} else {
			seen.see(read.GetName(), read.GetResourceVersion())
		}
		say(of, what, more)
	}
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, initial bool) { tell("add", object, line{"initial": initial}) },
		UpdateFunc: func(_, object any) { tell("update", object, line{}) },
		DeleteFunc: func(object any) { tell("delete", object, line{}) },
	}
}

func start(ctx context.Context, s *source) (cache.SharedIndexInformer, error) {
	informer := cache.NewSharedIndexInformer(&cache.ListWatch{ListWithContextFunc: s.listAndSay, WatchFuncWithContext: s.watchAndSay},
		s.example, 0, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		say(s.of, "lost", line{"because": err.Error(), "expired": apierrors.IsResourceExpired(err) || apierrors.IsGone(err)})
	})
	if err != nil {
		return nil, err
	}
	registered, err := informer.AddEventHandler(handler(s.of))
	if err != nil {
		return nil, err
	}
	go informer.RunWithContext(ctx)
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), registered.HasSynced) {
			say(s.of, "synced", nil)
		}
	}()
	return informer, nil
}

func sourceOf(config *rest.Config, namespace, resource string) (*source, error) {
	gvr, _ := schema.ParseResourceArg(resource)
	if gvr == nil {
		return nil, fmt.Errorf("%s: expected RESOURCE.VERSION.GROUP", resource)
	}
	if gvr.Resource == "pods" {
		typed, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, err
		}
		pods := typed.CoreV1().Pods(namespace)
		return &source{of: gvr.Resource, example: &corev1.Pod{}, watch: pods.Watch,
			list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				return pods.List(ctx, options)
			}}, nil
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects := client.Resource(*gvr).Namespace(namespace)
	return &source{of: gvr.Resource, example: &unstructured.Unstructured{}, watch: objects.Watch,
		list: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return objects.List(ctx, options)
		}}, nil
}

func run() error {
	watchList := flag.Bool("watch-list", false, "begin with a watch that brings what there is, as newer clients do")
	protobuf := flag.Bool("protobuf", false, "prefer protobuf for typed objects, as controllers do")
	seconds := flag.Int64("watch-seconds", 0, "how long a watch lasts before it goes on with another")
	flag.Parse()
	if flag.NArg() < 3 {
		return fmt.Errorf("expected KUBECONFIG NAMESPACE RESOURCE.VERSION.GROUP")
	}
	config, err := clientcmd.BuildConfigFromFlags("", flag.Arg(0))
	if err != nil {
		return err
	}
	if *protobuf {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	}
	if *watchList {
		_ = os.Setenv("KUBE_FEATURE_WatchListClient", "true") // read once, when the first informer is made
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	informers := map[string]cache.SharedIndexInformer{}
	var sources []*source
	for _, resource := range flag.Args()[2:] {
		s, err := sourceOf(config, flag.Arg(1), resource)
		if err != nil {
			return err
		}
		s.seconds = *seconds
		sources = append(sources, s)
		if informers[s.of], err = start(ctx, s); err != nil {
			return err
		}
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		if strings.TrimSpace(input.Text()) == "stale" {
			for _, s := range sources {
				s.stale.Store(true)
			}
		}
		for of, informer := range informers {
			held := map[string]string{}
			for _, object := range informer.GetStore().List() {
				if read, err := meta.Accessor(object); err == nil {
					held[read.GetName()] = read.GetResourceVersion()
				}
			}
			say(of, "store", line{"objects": held, "asked": strings.TrimSpace(input.Text())})
		}
	}
	printing.Lock()
	defer printing.Unlock()
	if broken {
		return fmt.Errorf("a rule was broken: see the lines that are wrong")
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "informer:", err)
		os.Exit(1)
	}
}
