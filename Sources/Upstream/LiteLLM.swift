// LiteLLM: litellm's price file as rows of the catalogue.

internal import Pricing
internal import Wire

enum LiteLLM {
    static func lay(_ root: JSONValue, over base: CatalogueDocument) throws(UpstreamError) -> LaidCatalogue {
        throw UpstreamError(place: "", message: "not yet")
    }
}
