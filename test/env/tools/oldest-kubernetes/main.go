// Judges manifests as the API server of the oldest supported Kubernetes does when they are stored: the CRD by its own
// validation, the expressions of ValidatingAdmissionPolicies by its compiler. YAML documents on standard input, what is
// against them on standard output, a line each; other kinds are passed over.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/cel-go/cel"
	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// expression stands where the API server has a type for each place that one can be in.
type expression struct {
	name, text string
	types      []*cel.Type
}

func (e expression) GetName() string          { return e.name }
func (e expression) GetExpression() string    { return e.text }
func (e expression) ReturnTypes() []*cel.Type { return e.types }

func main() {
	documents := yaml.NewDocumentDecoder(io.NopCloser(os.Stdin))
	buffer := make([]byte, 1<<22)
	for {
		read, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = judge(bytes.Clone(buffer[:read]))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func judge(document []byte) error {
	var kind struct{ Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.Kind {
	case "CustomResourceDefinition":
		return judgeDefinition(document)
	case "ValidatingAdmissionPolicy":
		return judgePolicy(document)
	}
	return nil
}

func judgeDefinition(document []byte) error {
	given := &extensions.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(document, given); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	scheme.Default(given)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(given, internal, nil); err != nil {
		return err
	}
	for _, version := range internal.Spec.Versions {
		if version.Storage {
			internal.Status.StoredVersions = []string{version.Name}
		}
	}
	for _, problem := range validation.ValidateCustomResourceDefinition(context.Background(), internal) {
		complain(given.Name, problem)
	}
	return nil
}

func judgePolicy(document []byte) error {
	policy := &admission.ValidatingAdmissionPolicy{}
	if err := yaml.UnmarshalStrict(document, policy); err != nil {
		return err
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true)
	compiler, err := plugincel.NewCompositedCompiler(base)
	if err != nil {
		return err
	}
	options := plugincel.OptionalVariableDeclarations{HasParams: policy.Spec.ParamKind != nil, HasAuthorizer: true, StrictCost: true}
	check := func(what, text string, types ...*cel.Type) {
		if text == "" {
			return
		}
		result := compiler.CompileCELExpression(expression{text: text, types: types}, options, environment.NewExpressions)
		if result.Error != nil {
			complain(policy.Name+" "+what, result.Error)
		}
	}
	for _, condition := range policy.Spec.MatchConditions {
		check("matchCondition "+condition.Name, condition.Expression, cel.BoolType)
	}
	for _, variable := range policy.Spec.Variables {
		named := expression{name: variable.Name, text: variable.Expression, types: []*cel.Type{cel.AnyType, cel.DynType}}
		result := compiler.CompileAndStoreVariable(named, options, environment.NewExpressions)
		if result.Error != nil {
			complain(policy.Name+" variable "+variable.Name, result.Error)
		}
	}
	for _, rule := range policy.Spec.Validations {
		check("validation", rule.Expression, cel.BoolType)
		check("messageExpression", rule.MessageExpression, cel.StringType)
	}
	return nil
}

func complain(where string, problem error) {
	fmt.Println(where + ": " + strings.Join(strings.Fields(problem.Error()), " "))
}
