import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Prints what the validator finds in each resource of a folder, a line each, under given profiles. */
public final class Validate {
    /** Arguments: folder of StructureDefinitions, folder of resources. Fields are parted by tabs. */
    public static void main(String[] folders) throws IOException {
        FhirContext context = FhirContext.forR4();
        PrePopulatedValidationSupport given = new PrePopulatedValidationSupport(context);
        for (Path file : sorted(folders[0])) {
            given.addResource(context.newJsonParser().parseResource(Files.readString(file)));
        }
        FhirInstanceValidator module = new FhirInstanceValidator(new ValidationSupportChain(
            new DefaultProfileValidationSupport(context), given,
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context),
            new SnapshotGeneratingValidationSupport(context)));
        module.setAnyExtensionsAllowed(true);
        module.setErrorForUnknownProfiles(true);
        FhirValidator validator = context.newValidator().registerValidatorModule(module);
        for (Path file : sorted(folders[1])) {
            for (SingleValidationMessage one
                    : validator.validateWithResult(Files.readString(file)).getMessages()) {
                System.out.println(String.join("\t", file.getFileName().toString(),
                    one.getSeverity().name(), String.valueOf(one.getMessageId()),
                    String.valueOf(one.getLocationString()), one.getMessage().replaceAll("\\s+", " ")));
            }
        }
    }

    private static List<Path> sorted(String folder) throws IOException {
        try (Stream<Path> files = Files.list(Path.of(folder))) {
            return files.sorted().collect(Collectors.toList());
        }
    }

    private Validate() {}
}
