package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	failures "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	provisionerName  = "operlet.dev/lab"
	claimAnnotation  = "volume.kubernetes.io/storage-provisioner"
	volumeAnnotation = "pv.kubernetes.io/provisioned-by"
)

// provisioner answers claims with directories. The controller manager's own
// host-path provisioner makes directories that only root can write, and
// host-path volumes ignore fsGroup; local volumes honour it, as real ones do.
type provisioner struct {
	client    kubernetes.Interface
	directory string
	queue     workqueue.TypedRateLimitingInterface[string]
	claims    cache.Indexer
	volumes   cache.Indexer
}

func provisionerCommand() *cobra.Command {
	var kubeconfig, directory string
	command := &cobra.Command{
		Use:   "provisioner",
		Short: "Answers claims of the class operlet.dev/lab with directories",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return newProvisioner(client, directory).run(command.Context())
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&directory, "directory", "", "where the volumes' directories are made")
	return command
}

func newProvisioner(client kubernetes.Interface, directory string) *provisioner {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 5*time.Second)
	return &provisioner{client: client, directory: directory, queue: workqueue.NewTypedRateLimitingQueue(limiter)}
}

func (p *provisioner) run(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	factory := informers.NewSharedInformerFactory(p.client, 0)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims().Informer(), factory.Core().V1().PersistentVolumes().Informer()
	p.claims, p.volumes = claims.GetIndexer(), volumes.GetIndexer()
	for prefix, informer := range map[string]cache.SharedIndexInformer{"claim:": claims, "volume:": volumes} {
		enqueue := func(object any) {
			if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
				p.queue.Add(prefix + key)
			}
		}
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    enqueue,
			UpdateFunc: func(_, object any) { enqueue(object) },
		}); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		key, stopped := p.queue.Get()
		if stopped {
			return nil
		}
		if err := p.handle(ctx, key); err != nil {
			klog.ErrorS(err, "will try again", "key", key)
			p.queue.AddRateLimited(key)
		} else {
			p.queue.Forget(key)
		}
		p.queue.Done(key)
	}
}

func (p *provisioner) handle(ctx context.Context, key string) error {
	if name, found := strings.CutPrefix(key, "volume:"); found {
		if object, exists, err := p.volumes.GetByKey(name); err != nil || !exists {
			return err
		} else if volume, ok := object.(*core.PersistentVolume); ok {
			return p.reclaim(ctx, volume)
		}
		return nil
	}
	object, exists, err := p.claims.GetByKey(strings.TrimPrefix(key, "claim:"))
	if err != nil || !exists {
		return err
	}
	claim, ok := object.(*core.PersistentVolumeClaim)
	if !ok || claim.DeletionTimestamp != nil || claim.Annotations[claimAnnotation] != provisionerName {
		return nil
	}
	if claim.Spec.VolumeName == "" {
		return p.provision(ctx, claim)
	}
	return p.expand(ctx, claim)
}

func (p *provisioner) provision(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	if claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, meta.GetOptions{})
	if err != nil {
		return err
	}
	path := filepath.Join(p.directory, string(claim.UID))
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	volume := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{volumeAnnotation: provisionerName},
		},
		Spec: core.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes,
			Capacity:    core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			// Every node sees the directory, so a volume follows its pod as
			// one on the network would.
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{
					Key: core.LabelOSStable, Operator: core.NodeSelectorOpIn, Values: []string{"linux"},
				}},
			}}}},
			PersistentVolumeSource:        core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			StorageClassName:              class.Name,
		},
	}
	if class.ReclaimPolicy != nil {
		volume.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	if _, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{}); err != nil && !failures.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// expand grants every request for more: directories have no size.
func (p *provisioner) expand(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	wanted, granted := claim.Spec.Resources.Requests[core.ResourceStorage], claim.Status.Capacity[core.ResourceStorage]
	if claim.Status.Phase != core.ClaimBound || wanted.Cmp(granted) <= 0 {
		return nil
	}
	volume, err := p.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, meta.GetOptions{})
	if err != nil {
		return err
	}
	if size := volume.Spec.Capacity[core.ResourceStorage]; size.Cmp(wanted) < 0 {
		volume.Spec.Capacity = core.ResourceList{core.ResourceStorage: wanted}
		if _, err := p.client.CoreV1().PersistentVolumes().Update(ctx, volume, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	claim = claim.DeepCopy()
	claim.Status.Capacity = core.ResourceList{core.ResourceStorage: wanted}
	_, err = p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, meta.UpdateOptions{})
	return err
}

// reclaim removes the directory of a released volume, then the volume.
func (p *provisioner) reclaim(ctx context.Context, volume *core.PersistentVolume) error {
	if volume.Annotations[volumeAnnotation] != provisionerName || volume.Spec.Local == nil ||
		volume.Status.Phase != core.VolumeReleased || volume.DeletionTimestamp != nil ||
		volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete {
		return nil
	}
	// The path is the API's word: nothing outside the directory is removed.
	if filepath.Dir(volume.Spec.Local.Path) != filepath.Clean(p.directory) {
		return fmt.Errorf("volume %s lies outside %s: %s", volume.Name, p.directory, volume.Spec.Local.Path)
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if failures.IsNotFound(err) {
		return nil
	}
	return err
}
