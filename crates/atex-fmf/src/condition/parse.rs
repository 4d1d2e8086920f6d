//! Text to tree: ruff's parser, behind limits, and the translation of what is supported of its tree.

use ruff_python_ast as ast;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer, parse_expression};
use ruff_text_size::Ranged;

use super::syntax::{
    Call, Choice, Clause, Comprehension, Expr, Item, Lambda, Made, Node, Piece, Slice, Target,
};
use super::{ConditionErrorKind, Fault, Res};
use crate::number::Int;

/// The longest text.
const MAX_BYTES: usize = 64 * 1024;
/// The deepest tree. Evaluating a level costs some hundred bytes of stack, unoptimised a few thousand.
pub const MAX_DEPTH: usize = 100;
/// The deepest nesting of brackets, the same as Python's.
const MAX_BRACKETS: usize = 200;
/// Beyond this possible depth the parser is given a stack of its own.
const DEEP: usize = 150;
/// Beyond this possible depth nothing is even parsed.
const TOO_DEEP: usize = 8000;
/// Enough for the parser, which is recursive, and for giving its tree back, which is too.
const DEEP_STACK_BYTES: usize = 256 * 1024 * 1024;

/// Parses an expression.
pub fn parse(text: &str) -> Res<Expr> {
    if text.len() > MAX_BYTES {
        return Err(limit(format!("the condition is longer than {MAX_BYTES} bytes")));
    }
    if let Some(at) = text.find('\0') {
        return Err(syntax_error(
            "source code string cannot contain null bytes",
            u32::try_from(at).unwrap_or(0),
        ));
    }
    let depth = possible_depth(text)?;
    if depth > TOO_DEEP {
        return Err(too_deep());
    }
    if depth <= DEEP {
        return parse_here(text);
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        let parser = builder.spawn_scoped(scope, || parse_here(text));
        let parsed = parser.map_err(|error| limit(format!("no stack to parse with: {error}")))?.join();
        parsed.unwrap_or_else(|_| Err(too_deep()))
    })
}

fn limit(message: String) -> Fault {
    Fault::new(ConditionErrorKind::Limit, message)
}

fn too_deep() -> Fault {
    limit("the condition is nested too deeply".into())
}

fn syntax_error(message: impl std::fmt::Display, at: u32) -> Fault {
    Fault::new(ConditionErrorKind::Syntax, message.to_string()).or_at(at)
}

/// No tree of these tokens is deeper than this: every open bracket and every operator around it may be a level.
/// (Rows of comparisons, `and` and `or` add a level each, which the limits have room for.)
fn possible_depth(text: &str) -> Res<usize> {
    let mut lexer = lexer::lex(text, Mode::ParenthesizedExpression);
    let (mut levels, mut deepest) = (vec![0usize], 0);
    loop {
        let kind = lexer.next_token();
        match kind {
            TokenKind::EndOfFile => return Ok(deepest),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                count(&mut levels);
                levels.push(0);
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if levels.len() > 1 {
                    levels.pop();
                }
            }
            kind if is_flat(kind) => {}
            _ => count(&mut levels),
        }
        if levels.len() > MAX_BRACKETS {
            return Err(syntax_error("too many nested parentheses", 0));
        }
        deepest = deepest.max(levels.iter().sum());
    }
}

/// Tokens that do not nest: operands, commas, and operators of which a row is one level.
fn is_flat(kind: TokenKind) -> bool {
    use TokenKind as T;
    matches!(
        kind,
        T::And
            | T::Or
            | T::Comma
            | T::EqEqual
            | T::NotEqual
            | T::Less
            | T::LessEqual
            | T::Greater
            | T::GreaterEqual
            | T::In
            | T::Int
            | T::Float
            | T::String
            | T::Name
            | T::NonLogicalNewline
            | T::Newline
            | T::Comment
    )
}

fn count(levels: &mut [usize]) {
    if let Some(level) = levels.last_mut() {
        *level += 1;
    }
}

fn parse_here(text: &str) -> Res<Expr> {
    // Python strips these before it reads an expression; blanks keep the places right.
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    let blanked;
    let text = if text[..start].contains('\t') {
        blanked = " ".repeat(start) + &text[start..];
        &blanked
    } else {
        text
    };
    if text[start..].is_empty() {
        return Err(syntax_error("an expression is missing", 0));
    }
    let shifted = &text[start..];
    let offset = u32::try_from(start).unwrap_or(u32::MAX);
    let parsed = parse_expression(shifted)
        .map_err(|error| syntax_error(error.error, offset + error.location.start().to_u32()))?;
    let mut translator = Translator { offset, depth: 0 };
    translator.expr(&parsed.syntax().body)
}

/// Turns ruff's tree into ours.
struct Translator {
    /// Bytes before the text that was parsed.
    offset: u32,
    depth: usize,
}

impl Translator {
    fn at(&self, node: &impl Ranged) -> u32 {
        self.offset + node.start().to_u32()
    }

    fn refuse<T>(&self, what: &str, node: &impl Ranged) -> Res<T> {
        Err(Fault::unsupported(what).or_at(self.at(node)))
    }

    fn expr(&mut self, expr: &ast::Expr) -> Res<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep().or_at(self.at(expr)));
        }
        let node = self.node(expr)?;
        self.depth -= 1;
        Ok(Expr { at: self.at(expr), node })
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Res<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    fn pair(&mut self, left: &ast::Expr, right: &ast::Expr) -> Res<Box<(Expr, Expr)>> {
        Ok(Box::new((self.expr(left)?, self.expr(right)?)))
    }

    fn exprs(&mut self, exprs: &[ast::Expr]) -> Res<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn items(&mut self, exprs: &[ast::Expr]) -> Res<Vec<Item>> {
        let item = |expr: &ast::Expr| match expr {
            ast::Expr::Starred(starred) => self.expr(&starred.value).map(Item::All),
            other => self.expr(other).map(Item::One),
        };
        exprs.iter().map(item).collect()
    }

    fn node(&mut self, expr: &ast::Expr) -> Res<Node> {
        Ok(match expr {
            ast::Expr::NoneLiteral(_) => Node::None,
            ast::Expr::EllipsisLiteral(_) => Node::Ellipsis,
            ast::Expr::BooleanLiteral(literal) => Node::Bool(literal.value),
            ast::Expr::NumberLiteral(literal) => self.number(literal)?,
            ast::Expr::StringLiteral(literal) => Node::Text(literal.value.to_str().into()),
            ast::Expr::BytesLiteral(literal) => Node::Bytes(literal.value.bytes().collect()),
            ast::Expr::FString(literal) => Node::Format(self.format(&literal.value)?),
            ast::Expr::Name(name) => Node::Name(name.id.as_str().into()),
            ast::Expr::List(list) => Node::List(self.items(&list.elts)?),
            ast::Expr::Tuple(tuple) => Node::Tuple(self.items(&tuple.elts)?),
            ast::Expr::Set(set) => Node::Set(self.items(&set.elts)?),
            ast::Expr::Dict(dict) => Node::Dict(self.entries(&dict.items)?),
            ast::Expr::Attribute(attribute) => {
                Node::Attribute(self.boxed(&attribute.value)?, attribute.attr.as_str().into())
            }
            ast::Expr::Subscript(subscript) => self.subscript(subscript)?,
            ast::Expr::Call(call) => self.call(call)?,
            ast::Expr::Compare(compare) => self.compare(compare)?,
            ast::Expr::BoolOp(operation) => match operation.op {
                ast::BoolOp::And => Node::And(self.exprs(&operation.values)?),
                ast::BoolOp::Or => Node::Or(self.exprs(&operation.values)?),
            },
            ast::Expr::UnaryOp(unary) => Node::Unary(unary.op, self.boxed(&unary.operand)?),
            ast::Expr::BinOp(binary) => Node::Binary(binary.op, self.pair(&binary.left, &binary.right)?),
            ast::Expr::If(choice) => Node::If(Box::new(Choice {
                test: self.expr(&choice.test)?,
                then: self.expr(&choice.body)?,
                otherwise: self.expr(&choice.orelse)?,
            })),
            ast::Expr::ListComp(comp) => self.comprehension(Made::List, None, &comp.elt, &comp.generators)?,
            ast::Expr::SetComp(comp) => self.comprehension(Made::Set, None, &comp.elt, &comp.generators)?,
            ast::Expr::Generator(comp) => {
                self.comprehension(Made::Generator, None, &comp.elt, &comp.generators)?
            }
            ast::Expr::DictComp(comp) => {
                self.comprehension(Made::Dict, comp.key.as_deref(), &comp.value, &comp.generators)?
            }
            ast::Expr::Lambda(lambda) => self.lambda(lambda)?,
            ast::Expr::Named(named) => return self.refuse(":=", named),
            ast::Expr::Await(expr) => return self.refuse("await", expr),
            ast::Expr::Yield(expr) => return self.refuse("yield", expr),
            ast::Expr::YieldFrom(expr) => return self.refuse("yield from", expr),
            ast::Expr::TString(expr) => return self.refuse("t''", expr),
            ast::Expr::Starred(expr) => {
                return Err(syntax_error("can't use starred expression here", self.at(expr)));
            }
            ast::Expr::Slice(expr) => return self.refuse("several subscripts", expr),
            ast::Expr::IpyEscapeCommand(expr) => return Err(syntax_error("invalid syntax", self.at(expr))),
        })
    }

    fn number(&self, literal: &ast::ExprNumberLiteral) -> Res<Node> {
        Ok(match &literal.value {
            ast::Number::Float(number) => Node::Float(*number),
            ast::Number::Complex { .. } => return self.refuse("complex numbers", literal),
            ast::Number::Int(number) => match number.as_u64() {
                Some(small) => Node::Int(i128::from(small)),
                None => self.big_integer(&number.to_string(), literal)?,
            },
        })
    }

    fn big_integer(&self, token: &str, literal: &ast::ExprNumberLiteral) -> Res<Node> {
        let token = token.replace('_', "").to_ascii_lowercase();
        let (digits, base) = match token.get(..2) {
            Some("0x") => (&token[2..], 16),
            Some("0o") => (&token[2..], 8),
            Some("0b") => (&token[2..], 2),
            _ => (&token[..], 10),
        };
        Ok(match Int::from_digits(digits, base, false) {
            Some(Int::Small(small)) => Node::Int(i128::from(small)),
            Some(Int::Big(big)) => match big.to_string().parse() {
                Ok(number) => Node::Int(number),
                Err(_) => Node::BigInt(big),
            },
            None => return Err(syntax_error("too many digits in an integer", self.at(literal))),
        })
    }

    fn entries(&mut self, items: &[ast::DictItem]) -> Res<Vec<(Option<Expr>, Expr)>> {
        let entry = |item: &ast::DictItem| {
            let key = item.key.as_ref().map(|key| self.expr(key)).transpose()?;
            Ok((key, self.expr(&item.value)?))
        };
        items.iter().map(entry).collect()
    }

    fn subscript(&mut self, subscript: &ast::ExprSubscript) -> Res<Node> {
        let ast::Expr::Slice(slice) = &*subscript.slice else {
            return Ok(Node::Index(self.pair(&subscript.value, &subscript.slice)?));
        };
        let value = self.expr(&subscript.value)?;
        let mut bound =
            |bound: &Option<Box<ast::Expr>>| bound.as_ref().map(|bound| self.expr(bound)).transpose();
        let bounds = [bound(&slice.lower)?, bound(&slice.upper)?, bound(&slice.step)?];
        Ok(Node::Slice(Box::new(Slice { value, bounds })))
    }

    fn call(&mut self, call: &ast::ExprCall) -> Res<Node> {
        let function = self.expr(&call.func)?;
        let positional = self.items(&call.arguments.args)?;
        let mut named: Vec<(Option<Box<str>>, Expr)> = Vec::new();
        for keyword in &call.arguments.keywords {
            let name = keyword.arg.as_ref().map(|name| Box::from(name.as_str()));
            if let Some(name) = &name
                && named.iter().any(|(known, _)| known.as_ref() == Some(name))
            {
                return Err(syntax_error(format!("keyword argument repeated: {name}"), self.at(keyword)));
            }
            named.push((name, self.expr(&keyword.value)?));
        }
        Ok(Node::Call(Box::new(Call { function, positional, named })))
    }

    fn compare(&mut self, compare: &ast::ExprCompare) -> Res<Node> {
        let left = self.boxed(&compare.left)?;
        let right = self.exprs(&compare.comparators)?;
        Ok(Node::Compare(left, compare.ops.iter().copied().zip(right).collect()))
    }

    fn comprehension(
        &mut self,
        made: Made,
        key: Option<&ast::Expr>,
        element: &ast::Expr,
        generators: &[ast::Comprehension],
    ) -> Res<Node> {
        let mut clauses = Vec::new();
        for generator in generators {
            if generator.is_async {
                return self.refuse("async", generator);
            }
            clauses.push(Clause {
                target: self.target(&generator.target)?,
                items: self.expr(&generator.iter)?,
                conditions: self.exprs(&generator.ifs)?,
            });
        }
        if made == Made::Dict && key.is_none() {
            return self.refuse("**", element);
        }
        let key = key.map(|key| self.expr(key)).transpose()?;
        let element = self.expr(element)?;
        Ok(Node::Comprehension(Box::new(Comprehension { made, key, element, clauses })))
    }

    fn target(&mut self, target: &ast::Expr) -> Res<Target> {
        let many = match target {
            ast::Expr::Name(name) => return Ok(Target::Name(name.id.as_str().into())),
            ast::Expr::Tuple(tuple) => &tuple.elts,
            ast::Expr::List(list) => &list.elts,
            ast::Expr::Starred(starred) => return self.refuse("*", starred),
            other => return self.refuse("assignment", other),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep().or_at(self.at(target)));
        }
        let targets = many.iter().map(|target| self.target(target)).collect::<Res<_>>()?;
        self.depth -= 1;
        Ok(Target::Many(targets))
    }

    fn lambda(&mut self, lambda: &ast::ExprLambda) -> Res<Node> {
        let mut parameters: Vec<Box<str>> = Vec::new();
        if let Some(list) = &lambda.parameters {
            let plain = list.posonlyargs.is_empty()
                && list.kwonlyargs.is_empty()
                && list.vararg.is_none()
                && list.kwarg.is_none()
                && list.args.iter().all(|parameter| parameter.default.is_none());
            if !plain {
                return self.refuse("lambda with other than plain parameters", lambda);
            }
            for parameter in &list.args {
                let name = parameter.parameter.name.as_str();
                if parameters.iter().any(|known| **known == *name) {
                    let message = format!("duplicate argument '{name}' in function definition");
                    return Err(syntax_error(message, self.at(parameter)));
                }
                parameters.push(name.into());
            }
        }
        Ok(Node::Lambda(Box::new(Lambda { parameters, body: self.expr(&lambda.body)? })))
    }

    fn format(&mut self, value: &ast::FStringValue) -> Res<Vec<Piece>> {
        let mut pieces = Vec::new();
        for part in value.iter() {
            match part {
                ast::FStringPart::Literal(literal) => pieces.push(Piece::Text((*literal.value).into())),
                ast::FStringPart::FString(string) => self.pieces(&string.elements, &mut pieces)?,
            }
        }
        Ok(pieces)
    }

    fn pieces(&mut self, elements: &[ast::InterpolatedStringElement], pieces: &mut Vec<Piece>) -> Res<()> {
        for element in elements {
            match element {
                ast::InterpolatedStringElement::Literal(literal) => {
                    pieces.push(Piece::Text((*literal.value).into()))
                }
                ast::InterpolatedStringElement::Interpolation(value) => self.interpolation(value, pieces)?,
            }
        }
        Ok(())
    }

    fn interpolation(&mut self, element: &ast::InterpolatedElement, pieces: &mut Vec<Piece>) -> Res<()> {
        let mut spec = Vec::new();
        if let Some(format) = &element.format_spec {
            self.pieces(&format.elements, &mut spec)?;
        }
        let mut conversion = match element.conversion {
            ast::ConversionFlag::None => None,
            ast::ConversionFlag::Str => Some('s'),
            ast::ConversionFlag::Repr => Some('r'),
            ast::ConversionFlag::Ascii => Some('a'),
        };
        if let Some(text) = &element.debug_text {
            pieces.push(Piece::Text(text.as_str().into()));
            if conversion.is_none() && element.format_spec.is_none() {
                conversion = Some('r');
            }
        }
        pieces.push(Piece::Value { value: self.expr(&element.expression)?, conversion, spec });
        Ok(())
    }
}
