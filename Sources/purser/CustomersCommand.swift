// `purser customers`: who there is, and their details.

import ArgumentParser
import Core

struct CustomersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "customers",
        abstract: "List, show and describe customers.",
        subcommands: [List.self, Show.self, Set.self]
    )

    @OptionGroup var options: SharedOptions

    static func path(_ reference: String) -> String { Service.base + "/customers/" + percentEncoded(reference) }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Customers, one page at a time.")

        @Option(help: ArgumentHelp("Only those whose reference, name or e-mail holds this text.", valueName: "text"))
        var search: String?

        @Option(help: ArgumentHelp("At most so many.", valueName: "count"))
        var limit = Limits.queryDefaultLimit

        @Option(help: ArgumentHelp("Leave out the first so many.", valueName: "count"))
        var offset = 0

        @OptionGroup(title: "Connection") var options: SharedOptions

        func validate() throws {
            guard limit > 0, offset >= 0 else { throw ValidationError("--limit takes a number above 0, --offset one from 0") }
        }

        func run() throws {
            var service = try Service(options)
            var request = HTTPRequest("GET", Service.base + "/customers")
            request.query = [("limit", String(limit)), ("offset", String(offset))]
            if let search { request.query.append(("search", search)) }
            let data = try service.data(request)
            if options.json { return Terminal.print(data.json) }
            Terminal.print(List.render(data, style: Terminal.style))
        }

        static func render(_ data: Value, style: Style) -> String {
            let items = data["items"]?.elements ?? []
            if items.isEmpty { return "No customers." }
            var table = Table(["reference", "first name", "last name", "e-mail"].map { Table.Column(title: $0, alignment: .left) })
            table.rows = items.map { item in
                ["customerReferenceId", "firstName", "lastName", "email"].map { Table.Cell(item[$0]?.string ?? "-") }
            }
            var text = table.render(style)
            if let total = data["pagination"]?["total"]?.integer, total > items.count {
                text += "\n" + style.dim("\(items.count) of \(total)")
            }
            return text
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What is known about one customer, and its margin by feature.")

        @Argument(help: "The customer's reference.")
        var reference: String

        @OptionGroup(title: "Connection") var options: SharedOptions

        func run() throws {
            var service = try Service(options)
            let data = try service.data(HTTPRequest("GET", CustomersCommand.path(reference)))
            if options.json { return Terminal.print(data.json) }
            Terminal.print(render(fields: data))
            var request = HTTPRequest("GET", Service.base + "/margins")
            request.query = [("groupBy", "feature"), ("customerReferenceId", reference)]
            let margins = try service.data(request)
            Terminal.print("\n" + MarginsTable.render(margins, by: [.feature], style: Terminal.style))
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Describe a customer; one that is not known yet is registered, which needs --email."
        )

        @Argument(help: "The customer's reference.")
        var reference: String

        @Option(help: ArgumentHelp(valueName: "address"))
        var email: String?

        @Option(help: ArgumentHelp(valueName: "name"))
        var firstName: String?

        @Option(help: ArgumentHelp(valueName: "name"))
        var lastName: String?

        @Option(help: ArgumentHelp(valueName: "number"))
        var phone: String?

        @OptionGroup(title: "Connection") var options: SharedOptions

        func validate() throws {
            if email == nil, firstName == nil, lastName == nil, phone == nil {
                throw ValidationError("give at least one of --email, --first-name, --last-name, --phone")
            }
        }

        func run() throws {
            var service = try Service(options)
            var answer = try service.answer(HTTPRequest("PATCH", CustomersCommand.path(reference), body: body(withReference: false)))
            if answer.status == 404 {
                guard email != nil else {
                    throw Failure.refused("\(reference.printable) is not known yet; registering a customer needs --email")
                }
                answer = try service.answer(HTTPRequest("POST", Service.base + "/customers", body: body(withReference: true)))
            }
            if let refusal = answer.refusal { throw Failure.refused(refusal) }
            Terminal.print(options.json ? answer.data.json : render(fields: answer.data))
        }

        private func body(withReference: Bool) -> [UInt8] {
            let value = Value.fields(
                ("customerReferenceId", withReference ? .string(reference) : nil),
                ("email", email.map { .string($0) }),
                ("firstName", firstName.map { .string($0) }),
                ("lastName", lastName.map { .string($0) }),
                ("phoneNumber", phone.map { .string($0) })
            )
            return Array(value.json.utf8)
        }
    }
}

/// The scalar members of an object, one a line, names aligned.
func render(fields data: Value) -> String {
    guard case .object(let members) = data else { return data.shown.printable }
    let simple = members.filter { member in
        switch member.value {
        case .array, .object, .null: false
        default: true
        }
    }
    let width = simple.map { $0.name.printable.cells }.max() ?? 0
    return simple.map { member in
        let name = member.name.printable
        return name + String(repeating: " ", count: width - name.cells + 2) + member.value.shown.printable
    }.joined(separator: "\n")
}
